#!/bin/sh
# npm package -> the ONNX files of the cards, in OUTDIR. Does nothing when the right files are there.
# usage: prepare.sh OUTDIR      needs: npm, sha256sum, python3 with requirements.txt (PYTHON=… names another python3)
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
cards=$tools/../cards
python=${PYTHON:-python3}
out=${1:?usage: prepare.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)

# field KEY CARD: the value of a `KEY = "value"` line.
field() { sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" "$2" | head -n 1; }

check() { # every card's file is there with the card's hash
    for card in "$cards"/*.toml; do
        echo "$(field sha256 "$card")  $(field file "$card")"
    done | (cd "$out" && sha256sum --check "$@" -)
}

if check --status 2>/dev/null; then
    (cd "$out" && sha256sum ./*.onnx)
    exit 0
fi
command -v npm >/dev/null || { echo "npm is missing: apt-get install npm" >&2; exit 1; }
"$python" -c 'import numpy, onnx' 2>/dev/null || {
    echo "$python has no numpy or onnx: python3 -m venv DIR && DIR/bin/pip install -r models/tools/requirements.txt, then PYTHON=DIR/bin/python3" >&2
    exit 1
}

# npm names a scoped package's file without its sign and slash.
tarball() { echo "$(field package "$1" | sed 's|^@||; s|/|-|')-$(field version "$1").tgz"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for card in "$cards"/*.toml; do
    tarball=$(tarball "$card")
    if [ ! -e "$tarball" ]; then
        package=$(field package "$card")@$(field version "$card")
        echo "fetching $package" >&2
        npm pack --silent "$package" >/dev/null
        echo "$(field tarball_sha256 "$card")  $tarball" | sha256sum --check --quiet - || {
            echo "$tarball is not the file that $(basename "$card") names: nothing was prepared" >&2
            exit 1
        }
        mkdir "$tarball.d"
        tar xzf "$tarball" -C "$tarball.d"
    fi
    echo "converting $(field file "$card")" >&2
    file=$(field file "$card") weights=$(field weights "$card") ranges=$(field ranges "$card")
    converter=$tools/$(field converter "$card") path=$tarball.d/package/$(field path "$card")
    if [ -n "$ranges" ]; then
        "$python" "$converter" "$path" "$file.f32" --weights f32
        "$python" "$tools/quantise.py" "$file.f32" "$tools/../ranges/$ranges" "$file"
        rm "$file.f32"
    else
        "$python" "$converter" "$path" "$file" --weights "$weights"
    fi
done
for card in "$cards"/*.toml; do
    file=$(field file "$card")
    mv "$file" "$out/$file.new"
    mv "$out/$file.new" "$out/$file"
    cp "$(tarball "$card").d/package/LICENSE" "$out/LICENSE.$(field package "$card" | sed 's|^@||; s|/|-|')"
done
(cd "$out" && sha256sum ./*.onnx)
check --quiet || {
    echo "the prepared files differ from the cards: use the versions of models/tools/requirements.txt" >&2
    exit 1
}
