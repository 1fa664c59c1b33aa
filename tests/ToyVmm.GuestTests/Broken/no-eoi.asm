; no-eoi - a timer handler that forgets the end of interrupt, and a kernel that waits for ten ticks
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        SET_GATE 0x20, on_timer, GATE_INT32
        mov al, 0x11
        out PIC1, al
        out PIC2, al
        mov al, 0x20
        out PIC1 + 1, al
        mov al, 0x28
        out PIC2 + 1, al
        mov al, 4
        out PIC1 + 1, al
        mov al, 2
        out PIC2 + 1, al
        mov al, 1
        out PIC1 + 1, al
        out PIC2 + 1, al
        mov al, 0xFE
        out PIC1 + 1, al
        mov al, 0x34
        out PIT_COMMAND, al
        mov al, 0xFF
        out PIT_CHANNEL0, al
        out PIT_CHANNEL0, al
waits:   sti
        hlt
        cmp dword [ticks], 10
        jb waits
        jmp fail
on_timer:
        inc dword [ticks]
        iretd

on_exception:
        jmp fail
        section .data
ticks:  dd 0
