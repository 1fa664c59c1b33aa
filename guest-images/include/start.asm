; start.asm - how a C guest begins: Multiboot header, flat segments, a stack, guest_main(magic, info).
; guest_main's result is the verdict: 0 powers off (status 0), n leaves through port 0xF4 (status (n << 1) | 1).
        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
        extern guest_main
        extern serial_init
        extern serial_drain
start:  cli
        cld
        mov esp, stack_top
        lgdt [gdt_pointer]              ; the loader's own GDT need not survive (Multiboot 3.2)
        jmp 0x08:.flat
.flat:  mov dx, 0x10
        mov ds, dx
        mov es, dx
        mov fs, dx
        mov gs, dx
        mov ss, dx
        push ebx                        ; Multiboot information
        push eax                        ; 0x2BADB002
        call serial_init
        call guest_main
        push eax
        call serial_drain
        pop eax
        test eax, eax
        jnz .debug_exit
        mov dx, POWER_OFF
        mov ax, POWER_OFF_VALUE
        out dx, ax
        mov dx, POWER_OFF_BOCHS         ; still here? then this may be Bochs
        out dx, ax
        jmp .hang
.debug_exit:
        out DEBUG_EXIT, al
.hang:  cli
        hlt
        jmp .hang

        section .rodata
        align 8
gdt:    dq 0
        DESCRIPTOR 0, 0xFFFFF, SEG_CODE, FLAG_4K_32
        DESCRIPTOR 0, 0xFFFFF, SEG_DATA, FLAG_4K_32
gdt_pointer:
        dw $ - gdt - 1
        dd gdt

        section .bss
        alignb 16
        resb 65536
stack_top:
