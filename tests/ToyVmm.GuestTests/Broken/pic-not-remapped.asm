; pic-not-remapped - a boot sector that enters protected mode and lets interrupts in, where the BIOS has left the interrupt controllers
; format: boot-sector
        bits 16
        org 0x7C00
start:  cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:flat
        bits 32
flat:   mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0x7C00
        lidt [idt_pointer]
        sti
waits:   jmp waits

        align 8
gdt:    dq 0
        dq 0x00CF9A000000FFFF
        dq 0x00CF92000000FFFF
gdt_pointer:
        dw 23
        dd gdt
idt_pointer:
        dw 2047
        dd 0x8000               ; an empty table
        times 510 - ($ - $$) db 0
        dw 0xAA55
