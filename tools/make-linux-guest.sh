#!/bin/sh
# make-linux-guest.sh - an unmodified Debian kernel for i686 and an initramfs around Debian's busybox, into .guests/linux/.
#
# Needs apt (Debian, Ubuntu), dpkg-deb, cpio, gzip and mke2fs. Nothing is installed; the i386 package lists are asked for if they are missing.
#
# The initramfs does one of two things. By default it works through a list of small tasks, prints a "mark:" line after each, and powers
# the machine off. With "toyvmm=disk" on the kernel's command line it also waits for an ATA disk, mounts the ext2 file system on it (disk.img
# is one), reads /greeting and writes /answer. With "toyvmm=shell" it starts a shell on the console instead.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
linux=$root/.guests/linux
run() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if [ ! -f "$linux/vmlinuz" ]; then
    if ! dpkg --print-foreign-architectures | grep -qx i386; then
        run dpkg --add-architecture i386
        run apt-get update -qq || echo "some package lists could not be refreshed: going on with those that are there"
    fi
    mkdir -p "$linux/packages"
    cd "$linux/packages"
    kernel=$(apt-cache depends linux-image-686:i386 | sed -n 's/^ *Depends: *//p' | head -n 1)
    apt-get download -qq "$kernel" busybox-static:i386
    for package in *.deb; do dpkg-deb -x "$package" "$linux/root"; done
    cp "$linux"/root/boot/vmlinuz-* "$linux/vmlinuz"
fi

rm -rf "$linux/initramfs"
mkdir -p "$linux/initramfs/bin" "$linux/initramfs/proc" "$linux/initramfs/dev" "$linux/initramfs/sys" "$linux/initramfs/mnt" "$linux/initramfs/modules"
cp "$linux/root/bin/busybox" "$linux/initramfs/bin/"

# The drivers of disk and file system are modules. Each names those it needs in its .modinfo section; modules.dep, which depmod makes
# when a kernel is installed, does not exist here.
: >"$linux/initramfs/modules/order"
add_module() {
    if grep -qx "$1.ko" "$linux/initramfs/modules/order"; then return; fi
    file=$(find "$linux/root/lib/modules" -name "$1.ko*" | head -n 1)
    if [ -z "$file" ]; then file=$(find "$linux/root/lib/modules" -name "$(echo "$1" | tr _ -).ko*" | head -n 1); fi
    [ -n "$file" ] || { echo "make-linux-guest.sh: the kernel package has no module $1" >&2; exit 66; }
    case $file in
        *.xz) xz -dc "$file" >"$linux/initramfs/modules/$1.ko" ;;
        *) cp "$file" "$linux/initramfs/modules/$1.ko" ;;
    esac
    for needed in $(tr '\0' '\n' <"$linux/initramfs/modules/$1.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do add_module "$needed"; done
    echo "$1.ko" >>"$linux/initramfs/modules/order"
}
for module in sd_mod ata_piix crc32c_generic ext4; do add_module "$module"; done

cat > "$linux/initramfs/init" <<'INIT'
#!/bin/busybox sh
# Marks for the test: mounting, fork and exec, a pipe, a checksum, files in memory and on a disk; then power off by ACPI.
bb=/bin/busybox
$bb mount -t proc proc /proc && $bb mount -t sysfs sysfs /sys && $bb mount -t devtmpfs dev /dev && echo "mark: mounted"
if $bb grep -qw toyvmm=shell /proc/cmdline; then
    $bb --install -s /bin
    export PATH=/bin PS1='shell# '
    setsid cttyhack sh
    poweroff -f
fi
echo "mark: $($bb uname -m) with $($bb grep -c ^processor /proc/cpuinfo) processor"
echo "mark: pipe $($bb seq 1 1000 | $bb awk '{ n += $1 } END { print n }')"
$bb dd if=/dev/zero of=/file bs=1024 count=512 2>/dev/null
echo "mark: $($bb sha256sum /file)"
( exit 7 ); echo "mark: child exited with $?"

if $bb grep -qw toyvmm=disk /proc/cmdline; then
    while read -r module; do $bb insmod "/modules/$module" || echo "mark: no $module"; done </modules/order
    tries=0     # the driver looks for disks in the background
    until [ -b /dev/sda ] || [ $tries -ge 100 ]; do $bb usleep 100000; tries=$((tries + 1)); done
    if ! $bb mount -t ext2 /dev/sda /mnt; then
        echo "mark: disk takes no writes" && $bb mount -t ext2 -o ro /dev/sda /mnt
    fi
    echo "mark: disk says $($bb cat /mnt/greeting)"
    $bb seq 1 20000 >/numbers
    if $bb dd if=/numbers of=/mnt/answer conv=fsync 2>/dev/null && $bb umount /mnt; then
        echo 3 >/proc/sys/vm/drop_caches
        $bb mount -t ext2 /dev/sda /mnt && echo "mark: disk keeps $($bb sha256sum /mnt/answer)" && $bb umount /mnt
    else
        echo "mark: disk write failed"
    fi
fi
echo "mark: done"
$bb poweroff -f
INIT
chmod +x "$linux/initramfs/init"
(cd "$linux/initramfs" && find . | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -9n > "$linux/initrd.gz")

mkdir -p "$linux/disk"
echo "hello from outside" >"$linux/disk/greeting"
rm -f "$linux/disk.img"
PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext2 -b 1024 -d "$linux/disk" "$linux/disk.img" 4096
echo "ready: $linux/vmlinuz, $linux/initrd.gz, $linux/disk.img"
