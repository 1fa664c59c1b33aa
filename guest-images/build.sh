#!/bin/sh
# build.sh - builds guest images: guest-images/build.sh [--out DIR [--debug]] [NAME...]
#            makes a bootable floppy of a Multiboot guest: guest-images/build.sh --disk NAME FILE [COMMAND-LINE]
#
# Without names: all of them. Without --out: each image beside its source (NAME/NAME.bin, .img or .elf); with it:
# DIR/NAME.ext, so that a test can compare. The same tools give the same bytes (toolchain.txt names the tools that
# built the committed images): no time stamps, no paths, no build id. What to build is read from the source's head; a guest of
# several files has a recipe.sh. --debug adds DWARF line tables and types, for a debugger.
set -eu

called_from=$(pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
out=
names=
debug=

# The guest's flat image behind include/disk-loader.asm: for Bochs, and for real hardware.
disk() {
    elf=$1/$1.elf
    [ -f "$elf" ] || { echo "build.sh: $elf is missing (only Multiboot guests can be put on a disk)" >&2; exit 66; }
    flat=$(mktemp)
    objcopy -O binary "$elf" "$flat"
    entry=$(readelf -h "$elf" | sed -n 's/.*Entry point address: *//p')
    end=0x$(nm "$elf" | sed -n 's/ . image_end$//p')
    status=0
    nasm -f bin -w+error -I include/ -DPAYLOAD="'$flat'" -DENTRY="$entry" -DIMAGE_END="$end" ${3:+"-DCOMMAND_LINE='$3'"} -o "$2" include/disk-loader.asm || status=$?
    rm -f "$flat"
    exit $status
}

while [ $# -gt 0 ]; do
    case $1 in
        --out)  [ $# -ge 2 ] || { echo "build.sh: --out needs a directory" >&2; exit 64; }
                mkdir -p "$2"; out=$(cd "$2" && pwd); shift 2 ;;
        --debug) debug=-g; shift ;;
        --disk) [ $# -eq 3 ] || [ $# -eq 4 ] || { echo "build.sh: --disk needs a guest's name and a file, and takes a command line" >&2; exit 64; }
               case $3 in /*) disk "$2" "$3" "${4:-}" ;; *) disk "$2" "$called_from/$3" "${4:-}" ;; esac ;;
        -*)    echo "build.sh: unknown option $1 (usage: build.sh [--out DIR [--debug]] [NAME...] | --disk NAME FILE [COMMAND-LINE])" >&2; exit 64 ;;
        *)     names="$names ${1%/}"; shift ;;
    esac
done
[ -z "$debug" ] || [ -n "$out" ] || { echo "build.sh: --debug is for --out: committed images have no debugging information" >&2; exit 64; }
if [ -z "$names" ]; then
    for head in */; do
        name=${head%/}
        for source in "$name/$name.asm" "$name/$name.c" "$name/work.c"; do
            if [ -f "$source" ] && head -n 1 "$source" | grep -q ' guest: '; then names="$names $name"; fi
        done
    done
fi

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

# Integer instructions of an i686 only: the guests must run before the machine has an FPU.
cflags="-m32 -march=i686 -mno-mmx -mno-sse -mno-80387 -msoft-float -ffreestanding -fno-pic -fno-pie
        -fno-stack-protector -fcf-protection=none -O2 -fno-asynchronous-unwind-tables -fno-ident
        -std=c17 -Wall -Wextra -Werror -Iinclude $debug ${GUEST_CFLAGS:-}"

assemble() { nasm -f elf32 ${debug:+-g -F dwarf} -w+error -I include/ -o "$2" "$1"; }
compile() { gcc $cflags -c -o "$2" "$1"; }
link() {    # link OUTPUT OBJECT...
    output=$1; shift
    ld -m elf_i386 -n -z noexecstack -T include/link.ld --build-id=none --no-warn-rwx-segments -o "$output" "$@"
    [ -n "$debug" ] || strip --strip-debug "$output"    # the symbols stay: the debugger shows them
    chmod 644 "$output"
}

for name in $names; do
    if [ -f "$name/$name.asm" ]; then source=$name/$name.asm
    elif [ -f "$name/$name.c" ]; then source=$name/$name.c
    elif [ -f "$name/work.c" ]; then source=$name/work.c
    else echo "build.sh: there is no guest '$name'" >&2; exit 66; fi

    format=$(sed -n 's/^[;/* ]*format: *//p' "$source" | head -n 1)
    where=${out:-$here/$name}
    case $format in
        raw)            nasm -f bin -w+error -I include/ -o "$where/$name.bin" "$source" ;;
        boot-sector)    nasm -f bin -w+error -I include/ -o "$where/$name.img" "$source" ;;
        multiboot-flat) nasm -f bin -w+error -I include/ -o "$where/$name.bin" "$source" ;;
        multiboot)
            case $source in
                *.asm)  assemble "$source" "$objects/$name.o"
                        link "$where/$name.elf" "$objects/$name.o" ;;
                *)      if [ -f "$name/recipe.sh" ]; then       # more than one source file: the guest's own folder knows how
                            . "./$name/recipe.sh"
                            continue
                        fi
                        assemble include/start.asm "$objects/start.o"
                        compile include/runtime.c "$objects/runtime.o"
                        compile "$source" "$objects/$name.o"
                        main=
                        if [ "$source" = "$name/work.c" ]; then
                            compile include/compute_main.c "$objects/compute_main.o"
                            main=$objects/compute_main.o
                        fi
                        link "$where/$name.elf" "$objects/start.o" "$objects/$name.o" $main "$objects/runtime.o" ;;
            esac ;;
        *) echo "build.sh: $source: unknown format '$format'" >&2; exit 65 ;;
    esac
done
