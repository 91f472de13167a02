#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# torture.sh DIRECTORY: what agents do to files, on the tree that torture_tree() makes.
set -eu
cd "$1"

echo new >created.txt
echo more >>appended.txt
sed -i s/line5/LINE5/ edited.txt
rm removed.txt
mv moved.txt elsewhere.txt
mv moved-dir other-dir
rm -rf removed-dir
rm -rf remade-dir && mkdir remade-dir && echo z >remade-dir/only
rm -rf dir-to-file && echo file >dir-to-file
rm file-to-dir && mkdir file-to-dir && echo q >file-to-dir/q
chmod 755 plain.sh && chmod 644 exec.sh
ln -sf created.txt link
ln -s ../../../../etc/passwd out-relative
ln -s /etc/shadow out-absolute
rm link-to-file && echo file >link-to-file
rm file-to-link && ln -s appended.txt file-to-link
mkdir -p empty/nested
ln linked-a linked-b && echo x >>linked-a
mkdir -p "uni-é-日本/näme" && echo u >"uni-é-日本/näme/ü"
echo n >"$(printf 'new\nline.txt')"
echo b >"$(printf 'bad\377utf8')"
echo s >"sp ace'\"\$\\q"
truncate -s 50M sparse && printf x >>sparse
head -c 3000000 /dev/zero >big
printf abcd | dd of=patched bs=1 seek=500000 conv=notrunc 2>/dev/null
touch -r kept-time.txt ../reference && echo KEEP >kept-time.txt
touch -r ../reference kept-time.txt && rm ../reference
touch touched.txt
mkfifo fifo
cp /bin/true suid && chmod 4755 suid
mkdir read-only && echo r >read-only/f && chmod 555 read-only && chmod 000 closed.txt
cd deep && mv a/b/c/d ./d && cd ..
echo a >t.tmp && mv t.tmp atomic.txt
i=0
while [ $i -lt 20 ]; do echo $i >many$i && rm many$i && i=$((i + 1)); done
(exec 3>unlinked && rm unlinked && echo z >&3)
mv swap-a swap-c && mv swap-b swap-a && mv swap-c swap-b
rm -rf again && mkdir again && rm -rf again && mkdir -p again/deep && echo g >again/deep/g
mv replaced-dir gone-dir && mkdir replaced-dir && echo k >replaced-dir/k && rm -rf gone-dir
