#!/bin/sh
# compare-peers.sh - the same guests on ToyVmm, QEMU (TCG) and Bochs: tools/compare-peers.sh [--repeat N] [NAME...]
#
# Prints host seconds (wall time, the best of N runs) without start-up, and each peer's time as a multiple of ToyVmm's: above 1
# ToyVmm is faster. Without names: all compute guests. A peer that is not installed is left out, with the reason.
#
# Start-up is measured with hello-multiboot, which does nothing, and subtracted everywhere: it is the process, and on Bochs
# and QEMU a BIOS too. QEMU loads the Multiboot image itself. Bochs knows no Multiboot: it boots a floppy on which a boot sector
# (guest-images/include/disk-loader.asm) stands before the same code and data; `guest-images/build.sh --disk` makes it.
# Bochs has no port that ends it, so its serial output is watched for the guest's last line (resolution 10 ms).
#
# Debian builds Bochs with its debugger, which costs it some speed; a build of your own on the PATH is used instead.
# Bochs's BIOS: /usr/share/bochs/BIOS-bochs-latest and /usr/share/vgabios/vgabios.bin (Debian: bochsbios, vgabios), or the files
# that BOCHS_BIOS and BOCHS_VGABIOS name.
set -eu

repo=$(cd "$(dirname "$0")/.." && pwd)
repeat=3
names=
while [ $# -gt 0 ]; do
    case $1 in
        --repeat) [ $# -ge 2 ] || { echo "compare-peers.sh: --repeat needs a number" >&2; exit 64; }; repeat=$2; shift 2 ;;
        -*) echo "usage: compare-peers.sh [--repeat N] [NAME...]" >&2; exit 64 ;;
        *) names="$names $1"; shift ;;
    esac
done
if [ -z "$names" ]; then
    for folder in "$repo"/guest-images/compute-*/; do names="$names $(basename "$folder")"; done
fi

toyvmm=$repo/src/ToyVmm.Cli/bin/Release/net10.0/toyvmm
[ -x "$toyvmm" ] || { echo "compare-peers.sh: build it first: dotnet build -c Release $repo/src/ToyVmm.Cli" >&2; exit 66; }
have() { command -v "$1" >/dev/null 2>&1; }

bios=${BOCHS_BIOS:-/usr/share/bochs/BIOS-bochs-latest}
vgabios=${BOCHS_VGABIOS:-/usr/share/vgabios/vgabios.bin}
peers=toyvmm
if have qemu-system-i386; then peers="$peers qemu"
else echo "QEMU is left out: qemu-system-i386 is not installed (Debian: qemu-system-x86)."; fi
if ! have bochs; then echo "Bochs is left out: it is not installed (Debian: bochs bochs-term bochsbios vgabios)."
elif [ ! -f "$bios" ] || [ ! -f "$vgabios" ]; then echo "Bochs is left out: no BIOS at $bios or $vgabios (Debian: bochsbios vgabios)."
elif ! have nasm || ! have objcopy; then echo "Bochs is left out: making its boot disk needs nasm and binutils."
elif ! have script; then echo "Bochs is left out: its text display needs a terminal, which script (Debian: bsdutils) provides."
else peers="$peers bochs"; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
now() { date +%s.%N; }
# The last line of a guest, in any order of peers: a checksum, or what hello-multiboot says last.
finished() { grep -q "checksum ........\|ring 0" "$work/out" 2>/dev/null; }

run_toyvmm() {
    "$toyvmm" run "$repo/guest-images/$1/$1.elf" -q </dev/null >"$work/out"
    stopped=$(now)
}

run_qemu() {
    qemu-system-i386 -accel tcg -display none -monitor none -no-reboot -m 64 -serial "file:$work/out" \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$repo/guest-images/$1/$1.elf" </dev/null >/dev/null 2>&1 || true
    stopped=$(now)
}

prepare_bochs() {
    "$repo/guest-images/build.sh" --disk "$1" "$work/floppy.img"
    echo c >"$work/commands"        # Debian's Bochs is built with its debugger, which waits to be told to go on
    cat >"$work/bochsrc" <<EOF
display_library: term
config_interface: textconfig
memory: guest=64, host=64
romimage: file=$bios
vgaromimage: file=$vgabios
floppya: 1_44=$work/floppy.img, status=inserted
boot: floppy
cpu: count=1, ips=1000000000, reset_on_triple_fault=0
clock: sync=none
com1: enabled=1, mode=file, dev=$work/out
speaker: enabled=0
sound: waveoutdrv=dummy
log: $work/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
EOF
}

run_bochs() {
    : >"$work/out"
    rm -f "$work/floppy.img.lock" "$work/pid"
    TERM=vt100 script -qec "echo \$\$ >'$work/pid'; exec bochs -q -f '$work/bochsrc' -rc '$work/commands'" /dev/null >/dev/null 2>&1 </dev/null &
    peer=$!
    waited=0
    until finished; do
        sleep 0.01
        waited=$((waited + 1))
        if [ $waited -gt 4000 ] || ! kill -0 $peer 2>/dev/null; then break; fi
    done
    stopped=$(now)
    kill -9 "$(cat "$work/pid")" 2>/dev/null || true
    wait $peer 2>/dev/null || true
}

# best PEER GUEST: the shortest of the runs, in seconds; "-" when the guest did not finish.
best() {
    if [ "$1" = bochs ]; then prepare_bochs "$2"; fi
    shortest=
    n=0
    while [ $n -lt "$repeat" ]; do
        n=$((n + 1))
        rm -f "$work/out"
        started=$(now)
        "run_$1" "$2"
        if ! finished; then shortest=-; break; fi
        shortest=$(awk -v a="$started" -v b="$stopped" -v s="$shortest" 'BEGIN { t = b - a; if (s != "" && s < t) t = s; printf "%.3f", t }')
    done
    echo "$shortest"
}

for peer in $peers; do eval "startup_$peer=$(best "$peer" hello-multiboot)"; done
printf '%-20s' guest
for peer in $peers; do printf '%10s' "$peer"; done
for peer in $peers; do [ "$peer" = toyvmm ] || printf '%16s' "$peer/toyvmm"; done
echo
: >"$work/ratios"
for name in $names; do
    printf '%-20s' "$name"
    ratios=
    own=
    for peer in $peers; do
        seconds=$(best "$peer" "$name")
        eval "startup=\$startup_$peer"
        if [ "$seconds" = - ] || [ "$startup" = - ]; then seconds=-
        else seconds=$(awk -v t="$seconds" -v s="$startup" 'BEGIN { d = t - s; if (d < 0.001) d = 0.001; printf "%.3f", d }'); fi
        printf '%10s' "$seconds"
        if [ "$peer" = toyvmm ]; then own=$seconds
        elif [ "$seconds" = - ] || [ "$own" = - ]; then ratios="$ratios -"
        else
            ratio=$(awk -v t="$seconds" -v o="$own" 'BEGIN { printf "%.2f", t / o }')
            ratios="$ratios $ratio"
            echo "$peer $ratio" >>"$work/ratios"
        fi
    done
    for ratio in $ratios; do printf '%16s' "$ratio"; done
    echo
done
for peer in $peers; do
    [ "$peer" = toyvmm ] || awk -v p="$peer" '$1 == p { sum += log($2); n++ }
        END { if (n) printf "geometric mean of %s/toyvmm over %d guests: %.2f\n", p, n, exp(sum / n) }' "$work/ratios"
done
