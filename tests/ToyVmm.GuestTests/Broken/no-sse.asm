; no-sse - SSE code in a kernel that has not switched it on
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        lidt [empty_pointer]
crash:  movaps xmm0, xmm1

on_exception:
        jmp fail
        section .rodata
empty_pointer:
        dw 0
        dd 0
