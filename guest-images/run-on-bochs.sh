#!/bin/sh
# run-on-bochs.sh - runs Multiboot guests on Bochs and prints what they send through COM1.
#
#   guest-images/run-on-bochs.sh NAME [SECONDS]
#
# Needs the packages bochs, bochs-term, bochsbios, vgabios and bsdutils (`script`: Bochs's text display wants a terminal).
# BOCHS_BIOS and BOCHS_VGABIOS name other ROM files. Bochs knows no Multiboot, so the guest comes from a floppy
# (include/disk-loader.asm). The guest ends the run by ACPI power-off; after SECONDS (default 60) it is ended by force.
# Prints the host CPU seconds of the run on standard error. Debian's Bochs is built with its debugger, which costs speed.
set -eu

[ $# -ge 1 ] || { echo "usage: run-on-bochs.sh NAME [SECONDS]" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
bios=${BOCHS_BIOS:-/usr/share/bochs/BIOS-bochs-latest}
vgabios=${BOCHS_VGABIOS:-/usr/share/vgabios/vgabios.bin}
for tool in bochs script nasm objcopy; do
    command -v $tool >/dev/null || { echo "run-on-bochs.sh: $tool is not installed" >&2; exit 69; }
done
for rom in "$bios" "$vgabios"; do
    [ -f "$rom" ] || { echo "run-on-bochs.sh: $rom is missing (packages bochsbios and vgabios)" >&2; exit 66; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$here/build.sh" --disk "$1" "$folder/floppy.img"
cat > "$folder/bochsrc" <<END
megs: 64
romimage: file=$bios
vgaromimage: file=$vgabios
floppya: 1_44=$folder/floppy.img, status=inserted
boot: floppy
com1: enabled=1, mode=file, dev=$folder/serial.txt
display_library: term
config_interface: textconfig
cpu: count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=0
clock: sync=none
log: $folder/log.txt
panic: action=fatal
error: action=report
speaker: enabled=0
END
echo c > "$folder/commands"                     # the debugger's "continue"
TERM=vt100 timeout "${2:-60}" script -qec "bash -c 'TIMEFORMAT=%U; time bochs -q -f $folder/bochsrc -rc $folder/commands >/dev/null' 2>$folder/time.txt" /dev/null </dev/null >/dev/null 2>&1 || true
[ -f "$folder/serial.txt" ] && cat "$folder/serial.txt"
tail -n 1 "$folder/time.txt" 2>/dev/null | sed "s/^/host CPU seconds, start included: /" >&2
grep -q 'soft power off' "$folder/log.txt" || { echo "run-on-bochs.sh: the guest did not power off; Bochs's last words:" >&2; tail -n 5 "$folder/log.txt" >&2; exit 1; }
