# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2015 # R only tells
# Runs in the guest, in /workspace, on what tree.py made. Each step that fails is one line.
R() { echo "STEP FAILED ($?): $*" >&2; }
git config --global user.name agent
git config --global user.email agent@example.invalid

# What the agent is not shown is not there, also for who is root in a namespace of its own.
for path in .env deploy.pem node_modules dist/app.js secret/.env; do
  [ -e "$path" ] && R "there: $path"
done
unshare --user --map-root-user --mount --pid --fork sh -c '
  grep -rl "only for the host" /workspace --exclude-dir=.git' 2>/dev/null && R hidden

[ "$(cat dist/tracked.js)" = tracked ] || R tracked
git status --porcelain 2>&1 | grep . && R status

# git, before the tree is too odd for its stash
git checkout -q -b feat || R branch
echo one >>mod.txt && echo c >created.txt && git add mod.txt created.txt && git commit -q -m c1 || R commit
echo w >>mod.txt && rm del.txt && echo '{"terminal.x": 1}' >.vscode/settings.json && git stash -q || R stash
[ -e del.txt ] || R stash_restores
git checkout -q -f main && [ ! -e created.txt ] && git checkout -q -f feat || R checkout
git stash pop -q && [ ! -e del.txt ] || R pop

# Contents
echo new >created.txt || R create
echo more >>mod.txt || R append
sed -i s/line5/LINE5/ sed.txt || R sed
: >empty_new || R empty
: >keepm_empty && echo x >>keepm_empty || R grow
printf 'first\nlast\nnow with an end\n' >no_newline || R newline_at_end
printf 'one\r\nzwei\r\n' >crlf.txt || R crlf
touch -r keepm.txt /tmp/ref && printf 'KEEP\n' >keepm.txt && touch -r /tmp/ref keepm.txt || R mtime_kept
touch touched.txt || R touch
dd if=/dev/zero of=bigmod bs=1 count=4 seek=500000 conv=notrunc status=none || R middle
dd if=/dev/zero of=big bs=1M count=8 status=none || R big
truncate -s 50M sparse_new && printf x >>sparse_new || R sparse
dd if=/dev/urandom of=sparse_mod bs=4k count=1 seek=1000 conv=notrunc status=none || R sparse_mod
python3 - <<'PY' || R mmap
import mmap
with open("untouched_not", "wb+") as file:
    file.truncate(8192)
    with mmap.mmap(file.fileno(), 8192) as memory:
        memory[4096:4100] = b"mmap"
PY
(exec 3>open_unlinked && rm open_unlinked && echo zz >&3) || R open_unlinked
exec 4<big_ro && echo APP >>big_ro && tail -1 big_ro | grep -q APP && exec 4<&- || R read_then_copy_up
echo a >t.tmp && mv t.tmp atomic.txt || R atomic
for number in 1 2 3 4 5 6 7 8 9; do echo "$number" >"many$number" && rm "many$number"; done || R many

# Names that go, come and move
mv ren.txt renamed.txt || R rename
mv ren_exec.txt renamed_exec && chmod +x renamed_exec || R rename_exec
mv dirA dirB || R rename_directory
rm -rf dirC || R remove_directory
rm -rf dirD && mkdir dirD && echo z >dirD/only || R opaque
rm -rf dirE && echo file >dirE || R directory_to_file
rm file2dir && mkdir -p file2dir/sub && echo q >file2dir/sub/q || R file_to_directory
rm -rf dirF && ln -s dirB dirF || R directory_to_link
rm linkdir && mkdir linkdir && echo l >linkdir/l || R link_to_directory
mv deep/a/b/c/d deep/dd || R move_deep
mv Case.txt case.txt || R change_case
mkdir -p emptydir/nested || R empty_directories
mkdir many_new && (cd many_new && seq 60 | split -l 1 -d -a 3 - f) || R many_new
chain=chain && for _ in $(seq 40); do chain=$chain/d; done && mkdir -p "$chain" && echo deep >"$chain/f" || R depth

# Modes
chmod 755 plain.sh && chmod 644 exec.sh || R chmod
chmod 600 chmod.txt || R chmod_no_change
cp /bin/true suid && chmod 4755 suid || R setuid
cp /bin/true sgid && chmod 2755 sgid || R setgid
mkdir readonly && echo r >readonly/f && chmod 444 readonly/f && chmod 555 readonly || R readonly

# Links
ln -sf created.txt link1 || R relink
rm link2 && echo nowfile >link2 || R link_to_file
rm reg2link && ln -s mod.txt reg2link || R file_to_link
ln -s missing/target dangling || R dangling
ln -s "$(printf 'new\nline')" link_newline || R link_newline
ln hl1 hl2 && echo x >>hl1 && [ "$(cat hl1)" = "$(cat hl2)" ] || R hard_link
echo pre >>hlx_a || R old_hard_link
ln -s ../../../../etc/passwd evil_relative || R evil_relative
ln -s /etc/shadow evil_absolute || R evil_absolute
ln -s / evil_root || R evil_root

# Names
mkdir -p 'uni-é-日本/näme' && echo u >'uni-é-日本/näme/ü' || R unicode
echo nl >"$(printf 'new\nline.txt')" || R newline
printf b >"$(printf 'bad\377utf8')" || R no_utf8
mkdir "$(printf 'bad\376dir')" && echo d >"$(printf 'bad\376dir')/f" || R no_utf8_directory
echo s >"sp ace'\"\$\\q" || R quotes
echo h >'hash#2' && echo h >'#1' || R hash
echo e >"$(printf 'esc\033]0;title\007')" || R escape
echo l >"$(printf '%0255d' 0)" || R longest
echo o >>"$(printf 'old\nline.txt')" && echo o >>"$(printf 'old\377\376bytes')" || R change_odd
mv ./-rf ./-fr && rm ' leading and trailing ' && echo changed >>'hash#1' || R move_odd

# What is never flushed
mkfifo fifo1 || R fifo
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket1")' || R socket
echo 'TOKEN=agent' >.env && echo k >agent.pem || R secret
mkdir -p dist node_modules/x && echo built >dist/out.js && echo t >>dist/tracked.js && echo m >node_modules/x/index.js || R excluded
setfattr -n user.overlay.opaque -v y untouched 2>/dev/null
setfattr -n user.bbox -v x created.txt 2>/dev/null

# What runs on the host, and build files
echo 'layout python' >.envrc && echo ' ' >.exrc || R executes
mkdir -p .claude .husky && echo '{}' >.claude/settings.json && echo 'rm -rf /' >.husky/pre-commit || R executes
printf '\ntest:\n\ttrue\n' >>Makefile && echo '{"name": "x"}' >package.json || R build_files

# git at the end, and a repository of the agent's own
git add -A . && git commit -q -m 'All of it' || R commit_all
git gc -q --prune=now || R gc
git fsck 2>&1 | grep -v dangling && R fsck
mkdir -p .git/hooks && printf '#!/bin/sh\necho pwned\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit || R hook
git init -q newrepo && (cd newrepo && echo 1 >one && git add one && git commit -q -m i) || R newrepo
echo changed >>third/repo/readme && git -C third/repo commit -q -a -m inner || R nested
mkdir -p bare && git init -q --bare bare/repo.git || R bare
echo END >&2
