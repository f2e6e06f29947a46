#!/bin/sh
# Turns the Markdown files of pages/ into a site in public/, with sh, sed and awk alone.
set -eu
LC_ALL=C
export LC_ALL

rm -rf public
mkdir -p public/pages
cp style.css public/style.css

set -- pages/*.md
total=$#
done=0
for source in "$@"; do
    name=${source##*/}
    name=${name%.md}
    awk -v layout=layout.html -f page.awk "$source" >"public/pages/$name.html"
    # The page's line in the index: its title, with the characters escaped that HTML takes for its own.
    sed -n -e '/^title: /{' \
        -e 's///; s/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' \
        -e "s|.*|- <a href=\"pages/$name.html\">&</a>|p" \
        -e 'q' -e '}' "$source" >>public/index.list
    done=$((done + 1))
    if [ $((done % 60)) -eq 0 ]; then
        echo "$done of $total pages"
    fi
done

{
    echo '---'
    echo 'title: Field notes'
    echo '---'
    echo "These $total notes were written in Markdown and turned into HTML by a shell script."
    echo
    cat public/index.list
} | awk -v layout=layout.html -v root=. -v raw=1 -f page.awk >public/index.html
rm public/index.list
echo "$total pages and an index in public/"
