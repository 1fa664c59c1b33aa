#!/bin/sh
# install-test-tools.sh - what the fuller tests need beyond the .NET SDK, on Debian and Ubuntu (as root, or with sudo).
#
# Without these tools everything still builds and passes; the tests that want one of them are skipped and say which.
#   nasm              rebuilds the guest images and compares their bytes; assembles .asm guests for "toyvmm run"
#   gcc, 32-bit libc  rebuilds the C guests; native times for "toyvmm bench"
#   gdb               drives guests over --gdb
#   qemu-system-i386  runs every guest as a second opinion
#   SeaBIOS, vgabios  other people's firmware; unpacked into .guests/, not installed
#   iPXE              a network boot loader on a CD; unpacked into .guests/, not installed
#   GRUB              a boot loader on disks with a file system (make-grub-disk.sh); into .guests/, not installed
#   memtest86+        an operating-system-free program of somebody else's; unpacked into .guests/, not installed
#   Linux             Debian's kernel for i686 with a busybox initramfs (make-linux-guest.sh); into .guests/, not installed
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
run() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

export DEBIAN_FRONTEND=noninteractive
run apt-get update -qq || echo "some package lists could not be refreshed: going on with those that are there"
run apt-get install -y -qq --no-install-recommends nasm gdb gcc gcc-multilib binutils qemu-system-x86 cpio e2fsprogs >/dev/null

mkdir -p "$root/.guests/packages"
cd "$root/.guests/packages"
if [ ! -f "$root/.guests/boot/memtest86+ia32.bin" ]; then
    apt-get download -qq memtest86+
    for package in memtest86+_*.deb; do dpkg-deb -x "$package" "$root/.guests"; done
fi
if [ ! -f "$root/.guests/usr/lib/ipxe/ipxe.iso" ] || [ ! -f "$root/.guests/usr/share/vgabios/vgabios.bin" ]; then
    apt-get download -qq ipxe seabios vgabios
    for package in ipxe_*.deb seabios_*.deb vgabios_*.deb; do dpkg-deb -x "$package" "$root/.guests"; done
fi
echo "ready: nasm, gdb, gcc -m32, qemu-system-i386, $(ls "$root"/.guests/boot/*ia32.bin)"
"$root/tools/make-linux-guest.sh"
"$root/tools/make-grub-disk.sh"
