; short-idt - LIDT with the number of gates for a limit
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        lidt [short_pointer]
crash:  ud2

on_exception:
        jmp fail
        section .rodata
short_pointer:
        dw 32
        dd idt
