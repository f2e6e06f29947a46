# One Markdown page as HTML: `awk -v layout=layout.html -f page.awk page.md`.
# Knows a title line between two `---` lines, headings, paragraphs, lists, quotes, fenced code, and inline code, bold,
# emphasis and links. `root` is the way to the site's root, `raw=1` keeps HTML in the text as it is.

BEGIN {
    if (root == "") root = ".."
    while ((getline line < layout) > 0) page = page line "\n"
    close(layout)
}

head == 0 && /^---$/ { head = 1; next }
head == 1 && /^---$/ { head = 2; next }
head == 1 { if (sub(/^title: /, "")) title = escape($0); next }

/^```/ {
    if (code) { out("</code></pre>"); code = 0 } else { block(""); out("<pre><code>"); code = 1 }
    next
}
code { out(escape($0)); next }
/^$/ { block(""); next }
/^#+ / {
    block("")
    level = index($0, " ") - 1
    out("<h" level ">" inline(substr($0, level + 2)) "</h" level ">")
    next
}
/^- / { block("ul"); out("<li>" inline(substr($0, 3)) "</li>"); next }
/^> / { block("blockquote"); out(inline(substr($0, 3))); next }
{ block("p"); out(inline($0)) }

END {
    block("")
    fill("{{title}}", title)
    fill("{{root}}", root)
    fill("{{body}}", body)
    printf "%s", page
}

# Ends the block that is open, unless it goes on, and begins another.
function block(name) {
    if (name == open) return
    if (open != "") out("</" open ">")
    if (name != "") out("<" name ">")
    open = name
}

function out(text) { body = body text "\n" }

# Puts a text in every place of a mark; `gsub` would give a meaning to the `&` in it.
function fill(mark, text,    rest, at) {
    rest = page
    page = ""
    while ((at = index(rest, mark)) > 0) {
        page = page substr(rest, 1, at - 1) text
        rest = substr(rest, at + length(mark))
    }
    page = page rest
}

function escape(text) {
    if (raw) return text
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    return text
}

function inline(text) {
    text = escape(text)
    text = pairs(text, "`", "code")
    text = pairs(text, "**", "strong")
    text = pairs(text, "*", "em")
    return links(text)
}

# Turns what stands between two marks into an element.
function pairs(text, mark, name,    result, from, to) {
    while ((from = index(text, mark)) > 0) {
        to = index(substr(text, from + length(mark)), mark)
        if (to < 2) break
        result = result substr(text, 1, from - 1) "<" name ">" substr(text, from + length(mark), to - 1) "</" name ">"
        text = substr(text, from + 2 * length(mark) + to - 1)
    }
    return result text
}

function links(text,    result, found, middle) {
    while (match(text, /\[[^]]*\]\([^)]*\)/)) {
        found = substr(text, RSTART, RLENGTH)
        middle = index(found, "](")
        result = result substr(text, 1, RSTART - 1) "<a href=\"" substr(found, middle + 2, length(found) - middle - 2) "\">"
        result = result substr(found, 2, middle - 2) "</a>"
        text = substr(text, RSTART + RLENGTH)
    }
    return result text
}
