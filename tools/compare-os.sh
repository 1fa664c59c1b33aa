#!/usr/bin/env bash
# compare-os.sh - operating-system work on ToyVmm and QEMU (TCG): Debian's Linux around guest-images/osbench.
#
#   tools/compare-os.sh [--engine translator|interpreter|all] [--wall] [--repeat N] [--scale N] [ROW...]
#
# Every peer boots the same kernel (make-linux-guest.sh) and the same initramfs, made here, with one CPU and 128 MiB, from the kernel's file.
# "boot" is the time from the start of the process to the first line of the shell script that is /init; it is in milliseconds, firmware
# and unpacking included. The other rows are those of osbench.c, in microseconds for one operation: the script
# runs osbench, which prints BEGIN and END, and the time between these two lines is taken here as they come out of the serial port. It is
# the CPU time of the emulator (all threads), the fairer one on a busy host; --wall takes wall time, in which the others also wait for
# devices and timers while they boot.
# The shortest of N runs (--repeat, 3) counts, the peers in turn; --scale multiplies the counts. The last columns say how many times longer a
# peer takes than the first column (ours): above 1 ToyVmm is faster. A row whose work was wrong is "-".
set -eu

repo=$(cd "$(dirname "$0")/.." && pwd)
usage() { echo "usage: compare-os.sh [--engine translator|interpreter|all] [--wall] [--repeat N] [--scale N] [ROW...]" >&2; exit 64; }
repeat=3
scale=1
engine=
clock=cpu
rows=
while [ $# -gt 0 ]; do
    case $1 in
        --engine) [ $# -ge 2 ] || usage; engine=$2; shift 2 ;;
        --wall) clock=wall; shift ;;
        --repeat) [ $# -ge 2 ] || usage; repeat=$2; shift 2 ;;
        --scale) [ $# -ge 2 ] || usage; scale=$2; shift 2 ;;
        -*) usage ;;
        *) rows="$rows $1"; shift ;;
    esac
done
all="fork-exec fork-wait pipe page-fault int80 sysenter"
for row in $rows; do
    case " boot $all " in *" $row "*) ;; *) echo "compare-os.sh: there is no row '$row'; there are: boot $all" >&2; exit 64 ;; esac
done
rows=${rows:-boot $all}

toyvmm=${TOYVMM:-$repo/src/ToyVmm.Cli/bin/Release/net10.0/toyvmm}
kernel=$repo/.guests/linux/vmlinuz
busybox=$repo/.guests/linux/initramfs/bin/busybox
[ -x "$toyvmm" ] || { echo "compare-os.sh: build it first: dotnet build -c Release $repo/src/ToyVmm.Cli" >&2; exit 66; }
for file in "$kernel" "$busybox"; do
    [ -f "$file" ] || { echo "compare-os.sh: there is no $file: tools/make-linux-guest.sh makes it" >&2; exit 66; }
done
for tool in gcc cpio gzip; do
    command -v $tool >/dev/null 2>&1 || { echo "compare-os.sh: $tool is not installed (tools/install-test-tools.sh)" >&2; exit 69; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $engine in
    ""|all) peers=interpreter
            if "$toyvmm" run "$repo/guest-images/hello-multiboot/hello-multiboot.elf" --engine translator -q >/dev/null 2>&1 </dev/null; then
                if [ -n "$engine" ]; then peers="translator interpreter"; else peers=translator; fi
            fi ;;
    translator|interpreter) peers=$engine ;;
    *) usage ;;
esac
if command -v qemu-system-i386 >/dev/null 2>&1; then peers="$peers qemu"
else echo "QEMU is left out: qemu-system-i386 is not installed (Debian: qemu-system-x86)."; fi
own=${peers%% *}

# ---- the guest
mkdir -p "$work/root/bin" "$work/root/dev"
cp "$busybox" "$work/root/bin/busybox"
gcc -m32 -O2 -march=i686 -nostdlib -static -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none -Wall -Wextra -Werror -s \
    -o "$work/root/bin/osbench" "$repo/guest-images/osbench/osbench.c"
cat >"$work/root/init" <<'INIT'
#!/bin/busybox sh
echo "END boot 1"
IFS=,       # the kernel hands osbench=row:count,... on as a variable
for row in $osbench; do /bin/osbench "${row%:*}" "${row#*:}"; done
echo "DONE"
/bin/busybox poweroff -f
INIT
chmod +x "$work/root/init"
(cd "$work/root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -9n >"$work/initrd.gz")
work_of() {
    case $1 in fork-exec) echo 1000 ;; fork-wait) echo 2500 ;; pipe) echo 20000 ;; page-fault) echo 102400 ;; *) echo 1000000 ;; esac
}
list=
for row in $rows; do
    if [ "$row" != boot ]; then list=$list,$row:$(($(work_of "$row") * scale)); fi
done
append="console=ttyS0 quiet panic=-1 osbench=${list#,}"

# ---- one run: every line of the serial port with the time at which it came, into $work/lines
run_toyvmm() { exec "$toyvmm" run "$kernel" --initrd "$work/initrd.gz" --append "$append" --memory 128M --engine "$1" -q </dev/null 2>&1; }
run_translator() { run_toyvmm translator; }
run_interpreter() { run_toyvmm interpreter; }
run_qemu() {
    exec qemu-system-i386 -accel tcg -smp 1 -m 128 -display none -monitor none -nic none -no-reboot -serial stdio -kernel "$kernel" -initrd "$work/initrd.gz" \
        -append "$append" </dev/null 2>&1
}

# stamp PID: sets `time`, in seconds. CPU time is proc(5)'s utime and stime of the process, in hundredths.
stamp() {
    if [ $clock = wall ]; then time=$EPOCHREALTIME; return; fi
    local fields
    read -r -a fields <"/proc/$1/stat" 2>/dev/null || return 0
    time=$((${fields[13]} + ${fields[14]}))e-2
}

mkfifo "$work/serial"
round=0
while [ $round -lt "$repeat" ]; do
    round=$((round + 1))
    for peer in $peers; do
        time=0
        if [ $clock = wall ]; then time=$EPOCHREALTIME; fi
        echo "$time BEGIN boot 1" >"$work/lines"
        "run_$peer" >"$work/serial" &
        process=$!
        while IFS= read -r line; do
            stamp $process
            echo "$time ${line%$'\r'}"
        done <"$work/serial" >>"$work/lines"
        wait $process || true
        grep -q ' DONE$' "$work/lines" || { echo "compare-os.sh: $peer did not come to its end; it said:" >&2; tail -n 5 "$work/lines" >&2; }
        # Seconds for one operation of each row that both began and ended.
        awk -v peer="$peer" '$2 == "BEGIN" { begun[$3] = $1 } $2 == "END" && $3 in begun { printf "%s %s %.12f\n", peer, $3, ($1 - begun[$3]) / $4 }' \
            "$work/lines" >>"$work/times"
    done
done

# ---- the table
awk -v peers="$peers" -v rows="$rows" -v own="$own" '
    { key = $1 " " $2; if (!(key in best) || $3 < best[key]) best[key] = $3 }
    END {
        n = split(peers, peer, " ")
        m = split(rows, row, " ")
        printf "%-16s", "row"
        for (i = 1; i <= n; i++) printf "%13s", peer[i]
        for (i = 2; i <= n; i++) printf "%18s", peer[i] "/ours"
        printf "\n"
        for (j = 1; j <= m; j++) {
            unit = row[j] == "boot" ? 1e3 : 1e6
            printf "%-16s", row[j] (row[j] == "boot" ? ", ms" : ", us")
            mine = own " " row[j]
            for (i = 1; i <= n; i++) {
                key = peer[i] " " row[j]
                if (key in best) printf "%13.3f", best[key] * unit; else printf "%13s", "-"
            }
            for (i = 2; i <= n; i++) {
                key = peer[i] " " row[j]
                if (key in best && mine in best) {
                    ratio = best[key] / best[mine]
                    printf "%18.2f", ratio
                    sum[i] += log(ratio)
                    count[i]++
                } else printf "%18s", "-"
            }
            printf "\n"
        }
        printf "%-16s", "geometric mean"
        for (i = 1; i <= n; i++) printf "%13s", ""
        for (i = 2; i <= n; i++) if (count[i]) printf "%18.2f", exp(sum[i] / count[i]); else printf "%18s", "-"
        printf "\n"
    }' "$work/times"
