#!/bin/sh
# compare-linux.sh - Debian's Linux from power-on to power-off on ToyVmm, QEMU (TCG) and Bochs, in one run.
#
# All three boot the same disk in the same way: firmware, GRUB from the disk, kernel and initramfs from its ext2 file system
# (make-linux-guest.sh, then make-grub-disk.sh). The firmware is SeaBIOS, on ToyVmm its built-in BIOS: that one brings ACPI tables, as
# SeaBIOS does on QEMU and Bochs. The seconds are those of the process, which ends when the guest powers off (looked for every 50
# ms; the serial log must say so too - its marks are not waited for, because Bochs loses some of them): wall time, and the CPU time of the process (all threads), which the ratios are made of - on a busy host it is the
# fairer one. The instructions are ToyVmm's count to power-off. A peer that is not installed is left out.
#
# Debian builds Bochs with its debugger, which costs it some speed; a build of your own on the PATH is used instead.
set -eu

repo=$(cd "$(dirname "$0")/.." && pwd)
disk=$repo/.guests/grub/linux.img
seabios=$repo/.guests/usr/share/seabios/bios.bin
vgabios=$repo/.guests/usr/share/vgabios/vgabios.bin
toyvmm=${TOYVMM:-$repo/src/ToyVmm.Cli/bin/Release/net10.0/toyvmm}
limit=${LIMIT:-900}     # seconds a peer may take; PEERS names some of toyvmm, qemu, bochs

[ -x "$toyvmm" ] || { echo "compare-linux.sh: build it first: dotnet build -c Release $repo/src/ToyVmm.Cli" >&2; exit 66; }
for file in "$disk" "$seabios" "$vgabios"; do
    [ -f "$file" ] || { echo "compare-linux.sh: there is no $file: tools/install-test-tools.sh makes it" >&2; exit 66; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
have() { command -v "$1" >/dev/null 2>&1; }

start_toyvmm() {
    exec "$toyvmm" run --disk "$disk,snapshot" --memory 128M --serial "file:$work/out" --json "$work/report.json" -q </dev/null
}

start_qemu() {
    exec qemu-system-i386 -accel tcg -display none -monitor none -nic none -no-reboot -m 128 -serial "file:$work/out" -snapshot \
        -drive "file=$disk,format=raw,if=ide" </dev/null >/dev/null 2>&1
}

start_bochs() {
    cp "$disk" "$work/disk.img"
    echo c >"$work/commands"        # Debian's Bochs is built with its debugger, which waits to be told to go on
    cat >"$work/bochsrc" <<CONFIG
display_library: term
config_interface: textconfig
memory: guest=128, host=128
romimage: file=$seabios
vgaromimage: file=$vgabios
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=$work/disk.img, mode=flat
boot: disk
cpu: model=bx_generic, count=1, ips=1000000000, reset_on_triple_fault=0
clock: sync=none
com1: enabled=1, mode=file, dev=$work/out
speaker: enabled=0
sound: waveoutdrv=dummy
log: $work/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
CONFIG
    # Its text display needs a terminal, which script provides.
    TERM=vt100 exec script -qec "echo \$\$ >'$work/pid'; exec bochs -q -f '$work/bochsrc' -rc '$work/commands'" /dev/null >/dev/null 2>&1 </dev/null
}

# cpu PID: the CPU seconds of a process so far (proc(5), stat: utime and stime, in hundredths).
cpu() { awk '{ printf "%.2f", ($14 + $15) / 100 }' "/proc/$1/stat" 2>/dev/null || echo -; }

# measure PEER: its wall and CPU seconds, or "- -" when it did not come to power-off.
measure() {
    : >"$work/out"
    rm -f "$work/pid"
    started=$(date +%s.%N)
    "start_$1" &
    process=$!
    seconds="- -"
    used=-
    while :; do
        sample=$(cpu "$(cat "$work/pid" 2>/dev/null || echo $process)")
        case $sample in -|0.00) ;; *) used=$sample ;; esac
        if ! kill -0 $process 2>/dev/null; then
            if grep -aq 'reboot: Power down' "$work/out"; then
                seconds="$(date +%s.%N | awk -v a="$started" '{ printf "%.2f", $1 - a }') $used"
            fi
            break
        fi
        if [ "$(date +%s)" -gt $((${started%.*} + limit)) ]; then break; fi
        sleep 0.05
    done
    if [ "$seconds" = "- -" ]; then
        if [ -f "$work/pid" ]; then kill "$(cat "$work/pid")" 2>/dev/null || true; fi
        kill $process 2>/dev/null || true
    fi
    wait $process 2>/dev/null || true
    echo "$seconds"
}

peers=toyvmm
if have qemu-system-i386; then peers="$peers qemu"; else echo "QEMU is left out: qemu-system-i386 is not installed."; fi
if have bochs && have script; then peers="$peers bochs"; else echo "Bochs is left out: bochs, or script for its display, is not installed."; fi
peers=${PEERS:-$peers}
own=-
printf '%-8s %10s %10s %14s\n' peer "wall s" "CPU s" "CPU/toyvmm's"
for peer in $peers; do
    read -r wall used <<RESULT
$(measure "$peer")
RESULT
    if [ "$peer" = toyvmm ]; then own=$used; fi
    ratio=-
    if [ "$used" != - ] && [ "$own" != - ]; then ratio=$(awk -v t="$used" -v o="$own" 'BEGIN { printf "%.2f", t / o }'); fi
    printf '%-8s %10s %10s %14s\n' "$peer" "$wall" "$used" "$ratio"
done
echo "instructions to power-off, on toyvmm: $(sed -n 's/.*"instructions": *\([0-9]*\).*/\1/p' "$work/report.json" 2>/dev/null | head -n 1)"
