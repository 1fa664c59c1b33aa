; wait-deaf - waiting for a variable that only an interrupt handler sets, with interrupts off
; format: multiboot
; arguments: --max-instructions 100000
%include "broken.inc"

start:  ENTER_FLAT
waits:   cmp dword [flag], 0
        je waits
        jmp fail

on_exception:
        jmp fail
        section .data
flag:   dd 0
