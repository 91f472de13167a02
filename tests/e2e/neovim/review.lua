-- SPDX-License-Identifier: Apache-2.0
-- Run an agent, accept one hunk, reject another, accept a new file, apply: in Neovim, headless.
local RUN_MS, WAIT_MS = 240000, 20000
local heard = {}

local function step(text)
  io.stdout:write(os.date("%H:%M:%S ") .. text .. "\n")
  io.stdout:flush()
end

local function fail(text)
  step("FAILED: " .. text)
  step(vim.inspect(heard))
  vim.cmd("cquit 1")
end

local function wait(what, limit, condition)
  if not vim.wait(limit, condition, 100) then
    fail("waited for " .. what)
  end
end

local function says(pattern)
  return function()
    for _, message in ipairs(heard) do
      if message:find(pattern) then
        return true
      end
    end
  end
end

vim.notify = function(text)
  table.insert(heard, text)
end
vim.lsp.handlers["window/showMessage"] = function(_, params)
  table.insert(heard, params.message)
end
-- What a user answers who is asked; Neovim's own would read the keyboard.
vim.lsp.handlers["window/showMessageRequest"] = function(_, params)
  table.insert(heard, params.message)
  return params.actions[1]
end

-- Takes a code action by the beginning of its title.
local function offered(wanted)
  local chosen
  vim.ui.select = function(items, options, on_choice)
    for _, item in ipairs(items) do
      local title = options.format_item and options.format_item(item) or vim.inspect(item)
      if title:find(wanted, 1, true) then
        chosen = title
        return on_choice(item)
      end
    end
    fail(wanted .. " is not offered: " .. vim.inspect(items))
  end
  vim.lsp.buf.code_action()
  wait(wanted, WAIT_MS, function()
    return chosen
  end)
  step(chosen)
end

local function choose(wanted)
  local before = #vim.diagnostic.get(0)
  offered(wanted)
  wait("its effect", WAIT_MS, function()
    return #vim.diagnostic.get(0) < before
  end)
end

local function at_first_hunk()
  local found = vim.diagnostic.get(0)
  table.sort(found, function(one, other)
    return one.lnum < other.lnum
  end)
  vim.api.nvim_win_set_cursor(0, { math.min(found[1].lnum + 1, vim.fn.line("$")), 0 })
  return found[1]
end

dofile(vim.env.BBOX_RECIPE)
vim.cmd("edit src/tally/money.py")
vim.cmd("BboxRun codex exec " .. vim.fn.escape(vim.env.BBOX_PROMPT, " "))
step("the agent works")
wait("the agent's end", RUN_MS, says("has ended"))
step(heard[#heard])

wait("the hunks of money.py", WAIT_MS, function()
  return #vim.diagnostic.get(0) > 1
end)
step(at_first_hunk().message)
offered("Show diff")
wait("the diff in a window", WAIT_MS, function()
  return vim.fn.expand("%:e") == "diff" and vim.fn.search("^+++ b/src/tally/money.py", "nw") > 0
end)
step(vim.fn.expand("%:t"))
vim.cmd("close")
choose("Accept hunk")
at_first_hunk()
choose("Reject hunk")

vim.cmd("edit tests/test_money.py")
wait("the new file", WAIT_MS, function()
  return #vim.diagnostic.get(0) == 1
end)
choose("Accept file")

vim.cmd("BboxReview")
wait("the list of what is left", WAIT_MS, function()
  return #vim.fn.getqflist() > 0
end)
vim.cmd("cclose")
vim.cmd("buffer src/tally/money.py")
vim.cmd("BboxApply")
wait("the files to be written", WAIT_MS, says("written%."))
wait("the buffer to be read again", WAIT_MS, function()
  return vim.fn.search("amount: Decimal", "nw") > 0
end)

vim.cmd("BboxUndo")
wait("the files to be brought back", WAIT_MS, says("brought back%."))
wait("the old text in the buffer", WAIT_MS, function()
  return vim.fn.search("amount: Decimal", "nw") == 0
end)
vim.cmd("buffer src/tally/money.py")
wait("the hunks again", WAIT_MS, function()
  return #vim.diagnostic.get(0) > 1
end)
-- What came back is decided anew.
at_first_hunk()
choose("Accept hunk")
vim.cmd("buffer tests/test_money.py")
wait("the new file again", WAIT_MS, function()
  return #vim.diagnostic.get(0) == 1
end)
choose("Accept file")
vim.cmd("buffer src/tally/money.py")
vim.cmd("BboxApply")
wait("the files to be written again", WAIT_MS, function()
  vim.cmd("checktime")
  return vim.fn.search("amount: Decimal", "nw") > 0
end)

vim.cmd("BboxTerminal --version")
wait("bbox in a terminal", WAIT_MS, function()
  return vim.bo.buftype == "terminal" and vim.fn.search("bbox", "nw") > 0
end)
step("done")
vim.cmd("qall!")
