# Input filter of docs/Doxyfile: turns `//` comments into Doxygen comments and escapes Doxygen's special characters in them.
# The first comment of a file documents the file. Comments behind code document that code, also over several lines.

function escaped(text) {
  gsub(/[\\@#%<>&$]/, "\\\\&", text)
  gsub(/\\\\&/, "\\\\\\&", text)
  return text
}

# Position of a `//` that starts a comment, 0 if there is none; quoted text is skipped.
function comment_start(line,    i, quote, c) {
  quote = ""
  for (i = 1; i < length(line); ++i) {
    c = substr(line, i, 1)
    if (c == "\\") { ++i; continue }
    if (quote != "") { if (c == quote) quote = ""; continue }
    if (c == "\"") quote = c
    else if (substr(line, i, 2) == "//") return i
  }
  return 0
}

{
  start = comment_start($0)
  if (start == 0) { trailing = 0; header = 0; print; next }
  code = substr($0, 1, start - 1)
  text = escaped(substr($0, start + 2))
  if (code ~ /[^ ]/) {
    # A comment behind a brace or a macro documents nothing.
    if (code ~ /^[ ]*(#|namespace|\}|public:|private:|protected:)/) { trailing = 0; print code; next }
    trailing = start
    print code "///<" text
  } else if (trailing == start) {
    print code "///<" text
  } else {
    trailing = 0
    if (NR == 1) print "/// @file"
    print code "///" text
  }
}
