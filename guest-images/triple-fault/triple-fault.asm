; guest: triple-fault
; format: multiboot
; teaches: how a machine dies: a fault, no way to report it, no way to report that - and what an autopsy can still tell
; expect-status: 71
; expect-serial: about to divide by zero, with an empty IDT\n
; qemu-status: 0
;
; DIV raises #DE (vector 0). The IDT is empty (limit 0), so fetching gate 0 raises #GP. Delivering #GP during #DE is a
; double fault (SDM 3A table 6-5: both contributory). Gate 8 is not there either: the CPU gives up and shuts down
; (SDM 3A 6.15, "Interrupt 8"). A PC's chip set answers the shutdown with a reset, so on a real machine - and in
; QEMU without -no-reboot - there is nothing to see but a boot loop. `toyvmm run` stops with status 71 and says which
; fault came first, at which address, and which table stood in the way.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

start:  ENTER_FLAT
        PRINT "about to divide by zero, with an empty IDT", 10
        call serial_drain
        lidt [empty_idt]
        xor edx, edx
        xor ecx, ecx
the_first_cause:
        div ecx
        PRINT "survived?", 10
        jmp fail

on_exception:                           ; never reached
        jmp fail

        section .rodata
empty_idt:
        dw 0
        dd 0
