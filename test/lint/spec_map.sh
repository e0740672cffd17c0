#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/lint/spec_map.sh - print what doc/spec-map.md names and the tree does not have; nothing when all is there.
#
# Called by test/lint/run.sh. A row has an id of its own, at least one place, and a proof or the word "none".
# Places are files, with the function behind a colon; proofs are test cases (doc/spec-map.md says which kinds).
set -u -o pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
map=doc/spec-map.md

# Names that are defined in a file of test/unit and used there once more: a case that main() runs.
unit_cases()
{
    awk 'function tell() { for (name in defined) if (used[name] > 1) print "unit:" name }
        FNR == 1 { tell(); delete defined; delete used }
        /^[a-z0-9_]+\(/ { defined[substr($0, 1, index($0, "(") - 1)] = 1 }
        { n = split($0, word, /[^a-z0-9_]+/); for (i = 1; i <= n; i++) used[word[i]]++ }
        END { tell() }' test/unit/*.c
}

# table_cases FOLDER: the first strings of the lines of its tables.
table_cases()
{
    cat "test/$1"/*.c | grep -oE '^ +\{"[a-z0-9_]+"' | sed -E "s/ *\\{\"(.*)\"/$1:\\1/"
}

os_rows()
{
    cat test/os/guest/*.sh test/os/guest/sweep-init test/os/{scenarios,control,check,services}.sh |
        grep -oE '\b(row|sweep) [A-Z]+[0-9]+|"[A-Z]+[0-9]+ ' | sed -E 's/.*[ "]([A-Z]+[0-9]+) ?/os:\1/'
}

unikernel_rows()
{
    cat example/unikernel/*.c | grep -oE '"[A-Z]+[0-9]+"' | tr -d '"' | sed 's/^/unikernel:/'
}

fuzz_targets()
{
    printf '%s\n' test/fuzz/*.c | sed 's|.*/\(.*\)\.c|fuzz:\1|'
}

# check KNOWN: the rows of the map against the cases that are known, a line each.
check()
{
    awk -F '|' '
        function say(text) { print id ": " text }
        # The words in backquotes; commands among them are not places.
        function quoted(text, words,    n) {
            for (n = 0; match(text, /`[^` ]+`/); text = substr(text, RSTART + RLENGTH))
                words[++n] = substr(text, RSTART + 1, RLENGTH - 2)
            return n
        }
        function has_file(file,    line) {
            if (!(file in words_of)) {
                words_of[file] = ""
                while ((getline line < file) > 0) words_of[file] = words_of[file] line "\n"
                close(file)
            }
            return words_of[file] != ""
        }
        # A name behind the colon is a word of the file.
        function check_place(place,    at, file, name) {
            at = index(place, ":")
            file = at ? substr(place, 1, at - 1) : place
            name = at ? substr(place, at + 1) : ""
            if (!has_file(file)) say("there is no file " file)
            else if (name != "" && words_of[file] !~ ("(^|[^A-Za-z0-9_])" name "([^A-Za-z0-9_]|$)"))
                say(file " has no " name)
        }
        function check_proof(proof) {
            if (proof ~ /^file:/) { if (!has_file(substr(proof, 6))) say("there is no file " substr(proof, 6)) }
            else if (proof ~ /:/ && !(proof in known)) say("there is no " proof)
        }
        FNR == NR { known[$0] = 1; next }
        !/^\| [A-Z]+[0-9]+ \|/ { next }
        {
            id = $2; gsub(/ /, "", id)
            if (id in rows) say("there are two rows")
            rows[id] = 1; count++
            proof = $5; sub(/^ /, "", proof)
            if (proof !~ /^(none: .|`)/) say("neither a proof nor a reason")
            n = quoted($4, word)
            if (!n) say("no place")
            for (i = 1; i <= n; i++) check_place(word[i])
            n = quoted(proof, word)
            for (i = 1; i <= n; i++) check_proof(word[i])
        }
        END { if (count <= 200) print FILENAME " has only " count + 0 " rows" }' "$1" "$map"
}

check <(unit_cases; table_cases loop; table_cases guest; os_rows; unikernel_rows; fuzz_targets)
