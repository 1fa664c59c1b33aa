#!/bin/sh
# make-grub-disk.sh - disks on which Debian's GRUB starts a guest from a file system, into .guests/grub/.
#
#   disk.img    GRUB loads guest-images/hello-multiboot with "multiboot"; it powers the machine off
#   linux.img   GRUB loads the kernel and initramfs of make-linux-guest.sh with "linux" (only where that script has been run)
#
# A disk is what grub-install would make: the boot sector boot.img with a partition table, core.img in the sectors after it, and from
# 1 MiB on an ext2 partition with /boot/grub (grub.cfg and the modules) and the guest. core.img holds just what reads that partition;
# the rest, "normal" and the loaders too, comes from the file system.
#
# Needs apt, dpkg-deb and mke2fs (Debian, Ubuntu). Nothing is installed and nothing is mounted.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
grub=$root/.guests/grub
modules=$grub/root/usr/lib/grub/i386-pc
first=2048          # the partition's first sector
PATH=$PATH:/usr/sbin:/sbin

if [ ! -f "$modules/boot.img" ]; then
    mkdir -p "$grub/packages"
    cd "$grub/packages"
    apt-get download -qq grub-pc-bin grub-common libdevmapper1.02.1
    for package in *.deb; do dpkg-deb -x "$package" "$grub/root"; done
fi

# little VALUE: four bytes for printf, the lowest first.
little() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $((($1 >> 8) & 255)) $((($1 >> 16) & 255)) $((($1 >> 24) & 255)); }

# make_disk IMAGE MIB: a disk around the files in $grub/files, with a partition of so many MiB.
make_disk() {
    sectors=$(($2 * 2048))
    mkdir -p "$grub/files/boot/grub/i386-pc"
    cp "$modules"/*.mod "$modules"/*.lst "$grub/files/boot/grub/i386-pc/"
    mke2fs -q -F -t ext2 -b 1024 -d "$grub/files" "$grub/partition.img" $(($2 * 1024))
    LD_LIBRARY_PATH=$(dirname "$(find "$grub/root" -name 'libdevmapper.so*' | head -n 1)") "$grub/root/usr/bin/grub-mkimage" \
        -O i386-pc -d "$modules" -p '(hd0,msdos1)/boot/grub' -o "$grub/core.img" biosdisk part_msdos ext2
    [ "$(stat -c %s "$grub/core.img")" -le $(((first - 1) * 512)) ] || { echo "make-grub-disk.sh: core.img does not fit before the partition" >&2; exit 65; }

    # boot.img loads sector 1, and its first sector the ones after it: that is their default. The partition table: one entry, type 83,
    # with a CHS that says "use the LBA", in place of the code for floppies that boot.img has there.
    rm -f "$1"
    cp "$modules/boot.img" "$1"
    dd if="$grub/core.img" of="$1" bs=512 seek=1 conv=notrunc status=none
    printf "\\200\\376\\377\\377\\203\\376\\377\\377$(little $first)$(little $sectors)" | dd of="$1" bs=1 seek=446 conv=notrunc status=none
    dd if=/dev/zero of="$1" bs=1 seek=462 count=48 conv=notrunc status=none
    dd if="$grub/partition.img" of="$1" bs=1M seek=1 conv=notrunc status=none
    rm -rf "$grub/files" "$grub/partition.img" "$grub/core.img"
    echo "ready: $1"
}

rm -rf "$grub/files"
if [ -f "$root/.guests/linux/initrd.gz" ]; then
    mkdir -p "$grub/files/boot/grub"
    cp "$root/.guests/linux/vmlinuz" "$root/.guests/linux/initrd.gz" "$grub/files/boot/"
    cat >"$grub/files/boot/grub/grub.cfg" <<'CFG'
echo "GRUB starts Linux"
linux /boot/vmlinuz console=ttyS0 quiet
initrd /boot/initrd.gz
boot
CFG
    make_disk "$grub/linux.img" 24
fi

mkdir -p "$grub/files/boot/grub"
cp "$root/guest-images/hello-multiboot/hello-multiboot.elf" "$grub/files/boot/"
cat >"$grub/files/boot/grub/grub.cfg" <<'CFG'
echo "GRUB starts a guest"
multiboot /boot/hello-multiboot.elf
boot
CFG
make_disk "$grub/disk.img" 16
