; empty-gate - handlers for three exceptions, and none for what happens
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        mov edi, idt
        mov ecx, 256 * 2
        xor eax, eax
        rep stosd
        SET_GATE 3, exception_stub_3, GATE_INT32
        xor edx, edx
        xor ecx, ecx
crash:  div ecx

on_exception:
        jmp fail
