#!/bin/sh
# build.sh - builds the broken guests from their sources: tests/ToyVmm.GuestTests/Broken/build.sh [OUTPUT-FOLDER]
set -eu
cd "$(dirname "$0")"
out=${1:-.}
include=../../../guest-images/include
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for source in *.asm; do
    name=${source%.asm}
    if grep -q '^; format: multiboot' "$source"; then
        nasm -f elf32 -w+error -I ./ -I "$include/" -o "$objects/$name.o" "$source"
        ld -m elf_i386 -n -z noexecstack -T "$include/link.ld" --build-id=none --no-warn-rwx-segments -o "$out/$name.elf" "$objects/$name.o"
        strip --strip-debug "$out/$name.elf"
        chmod 644 "$out/$name.elf"
    else
        nasm -f bin -w+error -o "$out/$name.img" "$source"
    fi
done
