; no-idt - an undefined instruction before any LIDT
; format: multiboot
%include "broken.inc"

start:  mov esp, stack_top
crash:  ud2

on_exception:
        jmp fail
