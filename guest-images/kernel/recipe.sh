# recipe.sh - how guest-images/build.sh makes this guest: programs first, then the kernel around them. Sourced by it, in guest-images/.
programs="selftest bench sh echo cat wc ps ls kill sleep spin primes produce consume"

mkdir -p "$objects/files"
cp kernel/user/motd "$objects/files/motd.file"
compile kernel/user/library.c "$objects/library.o"
compile kernel/format.c "$objects/format.o"
: > "$objects/files/files.list"
for program in $programs; do
    compile "kernel/user/$program.c" "$objects/user-$program.o"
    ld -m elf_i386 -z noexecstack --build-id=none -T kernel/user/user.ld -o "$objects/files/$program.file" \
        "$objects/user-$program.o" "$objects/library.o" "$objects/format.o"
    if [ -n "$debug" ]; then cp "$objects/files/$program.file" "$where/kernel-$program.debug.elf"; fi
    strip "$objects/files/$program.file"
    echo "NAMED \"$program\"" >> "$objects/files/files.list"
done
echo 'NAMED "motd"' >> "$objects/files/files.list"

kernel_objects=
assemble kernel/entry.asm "$objects/kernel-entry.o"
nasm -f elf32 -w+error -I "$objects/files/" -o "$objects/kernel-files.o" kernel/files.asm
for part in kernel trap memory space process exec file syscall console full paravirt; do
    compile "kernel/$part.c" "$objects/kernel-$part.o"
    kernel_objects="$kernel_objects $objects/kernel-$part.o"
done
compile include/runtime.c "$objects/runtime.o"
link "$where/kernel.elf" "$objects/kernel-entry.o" $kernel_objects "$objects/kernel-files.o" "$objects/format.o" "$objects/runtime.o"
