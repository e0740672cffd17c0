#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test/model/run.sh [MODEL...] - search every state of the models with spin, as TAP.
#
# A model must have no error; each variant, one mechanism less, must have one: a model that cannot fail proves
# nothing. With "=" in front a variant is another world in which there must be no error either; A+B are two at once.
# The variants are those that the model's first comment lists.
set -u -o pipefail
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d "${TMPDIR:-/tmp}/enlight-model.XXXXXX")
trap 'rm -rf "$work"' EXIT
count=0 bad=0

# verdict NAME RESULT WANTED
verdict()
{
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        bad=$((bad + 1))
        tail -n 25 "$work/log" | sed 's/^/# /'
        echo "not ok $count - $1: $2, not $3"
    fi
}

# search MODEL [FLAG[+FLAG]]: prints clean, error, or broken (the search itself did not work).
search()
{
    local flags=()
    [ $# -lt 2 ] || read -r -a flags <<<"-D${2//+/ -D}"
    (
        cd "$work" || exit 1
        rm -f pan pan.* ./*.trail
        spin "${flags[@]}" -a "$here/$1.pml" >log 2>&1 &&
            gcc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c >>log 2>&1 &&
            timeout 300 ./pan -n -m100000 >>log 2>&1
    )
    if grep -q -E 'max search depth too small|Search not completed|out of memory' "$work/log" &&
        ! grep -q -E 'errors: [1-9]' "$work/log"; then
        echo broken
    elif grep -q 'errors: 0$' "$work/log"; then
        echo clean
    elif grep -q -E 'errors: [1-9][0-9]*$' "$work/log"; then
        echo error
    else
        echo broken
    fi
}

model()
{
    local name=$1 variant
    shift
    verdict "${name}_loses_nothing" "$(search "$name")" clean
    for variant in "$@"; do
        if [ "${variant#=}" != "$variant" ]; then
            verdict "${name}_holds_with_${variant#=}" "$(search "$name" "${variant#=}")" clean
            continue
        fi
        verdict "${name}_fails_with_$variant" "$(search "$name" "$variant")" error
    done
}

wanted()
{
    case " $models " in *" $1 "*) return 0 ;; esac
    return 1
}

models=${*:-ring synic_slot channel}
if ! command -v spin >/dev/null; then
    echo "ok 1 - models # SKIP spin is not installed"
    echo 1..1
    exit 0
fi
if wanted ring; then
    model ring NO_FENCE NO_FENCE_PUBLISH NO_FENCE_UNMASK NO_FENCE_RELEASE NO_FENCE_WAIT NO_LOOK_WAIT NO_LOOK_UNMASK
fi
if wanted synic_slot; then
    model synic_slot NO_RECHECK NO_FENCE NO_EOM TYPE_FIRST
fi
if wanted channel; then
    model channel NO_QUIESCE NO_TEAR_WAIT NO_RELEASE_WAIT NO_CROSSING NO_RELEASE =HOSTILE_GUEST =HOSTILE_HOST \
        HOSTILE_GUEST+NO_QUIESCE HOSTILE_GUEST+NO_TEAR_WAIT
fi
echo "1..$count"
[ $bad -eq 0 ]
