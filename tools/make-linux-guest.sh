#!/bin/sh
# make-linux-guest.sh - an unmodified Debian kernel for i686 and an initramfs around Debian's busybox, into .guests/linux/.
#
# Needs apt (Debian, Ubuntu), dpkg-deb, cpio and gzip. Nothing is installed; the i386 package lists are asked for if they are missing.
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

mkdir -p "$linux/initramfs/bin" "$linux/initramfs/proc" "$linux/initramfs/dev"
cp "$linux/root/bin/busybox" "$linux/initramfs/bin/"
cat > "$linux/initramfs/init" <<'INIT'
#!/bin/busybox sh
# Marks for the test: mounting, fork and exec, a pipe, a checksum, a file, the shell; then power off by ACPI.
bb=/bin/busybox
$bb mount -t proc proc /proc && $bb mount -t devtmpfs dev /dev && echo "mark: mounted"
echo "mark: $($bb uname -m) with $($bb grep -c ^processor /proc/cpuinfo) processor"
echo "mark: pipe $($bb seq 1 1000 | $bb awk '{ n += $1 } END { print n }')"
$bb dd if=/dev/zero of=/file bs=1024 count=512 2>/dev/null
echo "mark: $($bb sha256sum /file)"
( exit 7 ); echo "mark: child exited with $?"
echo "mark: done"
$bb poweroff -f
INIT
chmod +x "$linux/initramfs/init"
(cd "$linux/initramfs" && find . | LC_ALL=C sort | cpio -o -H newc --quiet | gzip -9n > "$linux/initrd.gz")
echo "ready: $linux/vmlinuz, $linux/initrd.gz"
