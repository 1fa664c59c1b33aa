#!/usr/bin/env bash
# compare-peers.sh - the same guests on ToyVmm, QEMU (TCG) and Bochs:
#
#   tools/compare-peers.sh [--nano] [--engine ENGINE|all] [--peers LIST] [--wall] [--repeat N] [NAME...]
#
# Without --nano: the compute guests, host seconds for each one's default amount of work. With it: the rows of guest-images/nano, host
# nanoseconds for one operation. NAME picks guests (sieve or compute-sieve), or rows. The first column is ToyVmm with the engine of
# --engine (the default is translator where the host has it; all: translator and interpreter); then come the others, then how
# many times longer they take than the first column: above 1 ToyVmm is faster.
#
# Times are CPU times of the emulator (all threads), the fairer ones on a busy host; with --wall they are wall times.
# A time is T(2N) - T(N): the same guest with twice the work, so that start-up (process, BIOS, warming up) cancels out. Each of the two is the
# shortest of N runs (--repeat, 3), taken in turn; N is chosen so that a run does 0.3 s of work. The guest's last line is its checksum, and
# missing when the guest found that it was wrong: such a time is no time, and "-" is printed.
#
# QEMU loads the Multiboot image itself. Bochs knows no Multiboot: it boots a floppy on which a boot sector (guest-images/include/
# disk-loader.asm) stands before the same code and data. Bochs has no port that ends it, so its serial output is watched for the guest's
# last line (every 10 ms). Bochs is slow to start: it takes part only when --peers names it.
#
# Debian builds Bochs with its debugger, which costs it some speed; a build of your own on the PATH is used instead.
# Bochs's BIOS: /usr/share/bochs/BIOS-bochs-latest and /usr/share/vgabios/vgabios.bin (Debian: bochsbios, vgabios), or the files
# that BOCHS_BIOS and BOCHS_VGABIOS name.
set -eu

repo=$(cd "$(dirname "$0")/.." && pwd)
usage() { echo "usage: compare-peers.sh [--nano] [--engine translator|interpreter|all] [--peers 'qemu bochs'] [--wall] [--repeat N] [NAME...]" >&2; exit 64; }
repeat=3
engine=
others=qemu
nano=
clock=cpu
names=
while [ $# -gt 0 ]; do
    case $1 in
        --nano) nano=1; shift ;;
        --engine) [ $# -ge 2 ] || usage; engine=$2; shift 2 ;;
        --peers) [ $# -ge 2 ] || usage; others=$2; shift 2 ;;
        --wall) clock=wall; shift ;;
        --repeat) [ $# -ge 2 ] || usage; repeat=$2; shift 2 ;;
        -*) usage ;;
        *) names="$names $1"; shift ;;
    esac
done

toyvmm=${TOYVMM:-$repo/src/ToyVmm.Cli/bin/Release/net10.0/toyvmm}
[ -x "$toyvmm" ] || { echo "compare-peers.sh: build it first: dotnet build -c Release $repo/src/ToyVmm.Cli" >&2; exit 66; }
have() { command -v "$1" >/dev/null 2>&1; }
bios=${BOCHS_BIOS:-/usr/share/bochs/BIOS-bochs-latest}
vgabios=${BOCHS_VGABIOS:-/usr/share/vgabios/vgabios.bin}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- what there is to compare
has_translator() { "$toyvmm" run "$repo/guest-images/hello-multiboot/hello-multiboot.elf" --engine translator -q >/dev/null 2>&1 </dev/null; }
case $engine in
    "") if has_translator; then peers=translator; else peers=interpreter; fi ;;
    all) if has_translator; then peers="translator interpreter"; else peers=interpreter; fi ;;
    translator|interpreter) peers=$engine ;;
    *) usage ;;
esac
for other in $others; do
    case $other in
        qemu) if have qemu-system-i386; then peers="$peers qemu"
              else echo "QEMU is left out: qemu-system-i386 is not installed (Debian: qemu-system-x86)."; fi ;;
        bochs) if ! have bochs; then echo "Bochs is left out: it is not installed (Debian: bochs bochs-term bochsbios vgabios)."
               elif [ ! -f "$bios" ] || [ ! -f "$vgabios" ]; then echo "Bochs is left out: no BIOS at $bios or $vgabios (Debian: bochsbios vgabios)."
               elif ! have nasm || ! have objcopy; then echo "Bochs is left out: making its boot disk needs nasm and binutils."
               elif ! have script; then echo "Bochs is left out: its text display needs a terminal, which script (Debian: bsdutils) provides."
               else peers="$peers bochs"; fi ;;
        *) usage ;;
    esac
done
own=${peers%% *}

# ---- one run: run_PEER IMAGE-NAME COMMAND-LINE, from start to the guest's last line
finished() { grep -q 'checksum ........' "$work/out" 2>/dev/null; }

run_translator() { "$toyvmm" run "$repo/guest-images/$1/$1.elf" --engine translator --append "$2" -q </dev/null >"$work/out" || true; }
run_interpreter() { "$toyvmm" run "$repo/guest-images/$1/$1.elf" --engine interpreter --append "$2" -q </dev/null >"$work/out" || true; }

run_qemu() {
    qemu-system-i386 -accel tcg -display none -monitor none -no-reboot -m 64 -serial "file:$work/out" \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$repo/guest-images/$1/$1.elf" -append "$2" </dev/null >/dev/null 2>&1 || true
    tr -d '\r' <"$work/out" >"$work/out.text" && mv "$work/out.text" "$work/out"
}

prepare_bochs() {
    "$repo/guest-images/build.sh" --disk "$1" "$work/floppy.img" "$2"
    : >"$work/out"
    rm -f "$work/floppy.img.lock" "$work/pid"
    echo c >"$work/commands"        # Debian's Bochs is built with its debugger, which waits to be told to go on
    cat >"$work/bochsrc" <<CONFIG
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
CONFIG
}

run_bochs() {
    TERM=vt100 script -qec "echo \$\$ >'$work/pid'; exec bochs -q -f '$work/bochsrc' -rc '$work/commands'" /dev/null >/dev/null 2>&1 </dev/null &
    peer_process=$!
    waited=0
    until finished; do
        sleep 0.01
        waited=$((waited + 1))
        if [ $waited -gt 6000 ] || ! kill -0 $peer_process 2>/dev/null; then break; fi
    done
    kill -9 "$(cat "$work/pid")" 2>/dev/null || true
    wait $peer_process 2>/dev/null || true
}

# take PEER GUEST N: sets `seconds` to what a run with N units of work takes, or to "" when the guest fails.
TIMEFORMAT='%3R %3U %3S'
take() {
    if [ -n "$nano" ]; then image=nano line="row=$2 loops=$3"; else image=$2 line=$3; fi
    rm -f "$work/out"
    if [ "$1" = bochs ]; then prepare_bochs "$image" "$line"; fi
    { time "run_$1" "$image" "$line" 2>/dev/null; } 2>"$work/time"
    seconds=
    if finished; then seconds=$(awk -v clock=$clock 'END { print (clock == "wall" ? $1 : $2 + $3) }' "$work/time"); fi
}

# unit PEER GUEST: prints the seconds that one unit of work takes (a loop, or a step of the scale); "-" when that cannot be told.
unit() {
    least=0.3           # seconds of work in a run; start-up varies by a tenth of that, Bochs's by more
    if [ "$1" = bochs ]; then least=2; fi
    take "$1" "$2" 1
    [ -n "$seconds" ] || { echo -; return; }
    startup=$seconds
    n=$([ -n "$nano" ] && echo 64 || echo 2)
    while :; do
        take "$1" "$2" "$n"
        [ -n "$seconds" ] || { echo -; return; }
        part=$(awk -v t="$seconds" -v s="$startup" -v l=$least 'BEGIN { print (t - s) / l }')
        if [ "$n" -ge 500000000 ] || awk -v p="$part" 'BEGIN { exit !(p > 0.9) }'; then break; fi
        n=$((n * $(awk -v p="$part" 'BEGIN { print (p > 0.5 ? 2 : p > 0.2 ? 4 : 12) }')))
    done
    n=$(awk -v p="$part" -v n="$n" 'BEGIN { printf "%d", (p > 1 ? n / p + 1 : n) }')

    tries=0
    while :; do
        single=
        double=
        taken=0
        while [ $taken -lt "$repeat" ]; do
            taken=$((taken + 1))
            take "$1" "$2" "$n"
            [ -n "$seconds" ] || { echo -; return; }
            single=$(awk -v t="$seconds" -v s="$single" 'BEGIN { print ((s != "" && s < t) ? s : t) }')
            take "$1" "$2" $((n * 2))
            [ -n "$seconds" ] || { echo -; return; }
            double=$(awk -v t="$seconds" -v s="$double" 'BEGIN { print ((s != "" && s < t) ? s : t) }')
        done
        tries=$((tries + 1))
        if awk -v d="$double" -v s="$single" -v l=$least 'BEGIN { exit !(d - s > l / 2) }'; then break; fi
        if [ $tries -ge 4 ] || [ "$n" -ge 500000000 ]; then break; fi
        n=$((n * 4))    # the host was busy when the first runs were timed
    done
    awk -v a="$single" -v b="$double" -v n="$n" 'BEGIN { d = (b - a) / n; if (d > 0) printf "%.6g", d; else print "-" }'
}

# ---- the table
if [ -n "$nano" ]; then
    "$toyvmm" run "$repo/guest-images/nano/nano.elf" --append row=list -q </dev/null >"$work/rows"
    [ -n "$names" ] || names=$(cat "$work/rows")
    for name in $names; do
        grep -qxF -- "$name" "$work/rows" || { echo "compare-peers.sh: there is no row '$name'; there are: $(tr '\n' ' ' <"$work/rows")" >&2; exit 64; }
    done
    echo "Nanoseconds for one operation, and how many times longer than with the $own engine."
else
    if [ -z "$names" ]; then
        for folder in "$repo"/guest-images/compute-*/; do names="$names $(basename "$folder")"; done
    fi
    wanted=
    for name in $names; do
        name=compute-${name#compute-}
        [ -f "$repo/guest-images/$name/work.c" ] || { echo "compare-peers.sh: there is no compute guest '$name'" >&2; exit 64; }
        wanted="$wanted $name"
    done
    names=$wanted
    echo "Seconds for a guest's default amount of work, and how many times longer than with the $own engine."
fi
printf '%-20s' "$([ -n "$nano" ] && echo row || echo guest)"
for peer in $peers; do printf '%13s' "$peer"; done
for peer in $peers; do [ "$peer" = "$own" ] || printf '%15s' "$peer"; done
echo
: >"$work/ratios"
for name in $names; do
    printf '%-20s' "$name"
    ratios=
    if [ -n "$nano" ]; then
        take "$own" "$name" 1
        scale=$(sed -n 's/.* operations \([0-9]*\) .*/\1/p' "$work/out" | awk '{ print 1e9 / $1 }')
        format=%.2f
    else
        scale=$(sed -n 's/.*work_default_scale = *\([0-9]*\);.*/\1/p' "$repo/guest-images/$name/work.c" | head -n 1)
        format=%.3f
    fi
    for peer in $peers; do
        time=$(unit "$peer" "$name")
        if [ "$time" != - ]; then
            printf '%13s' "$(awk -v t="$time" -v s="$scale" -v f="$format" 'BEGIN { printf f, t * s }')"
        else
            printf '%13s' -
        fi
        if [ "$peer" = "$own" ]; then first=$time
        elif [ "$time" = - ] || [ "$first" = - ]; then ratios="$ratios -"
        else
            ratio=$(awk -v t="$time" -v o="$first" 'BEGIN { printf "%.2f", t / o }')
            ratios="$ratios $ratio"
            echo "$peer $(awk -v t="$time" -v o="$first" 'BEGIN { print t / o }')" >>"$work/ratios"
        fi
    done
    for ratio in $ratios; do printf '%15s' "$ratio"; done
    echo
done
printf '%-20s' "geometric mean"
for peer in $peers; do printf '%13s' ""; done
for peer in $peers; do
    [ "$peer" = "$own" ] || printf '%15s' "$(awk -v p="$peer" '$1 == p { sum += log($2); n++ } END { if (n) printf "%.2f", exp(sum / n); else print "-" }' "$work/ratios")"
done
echo
