; zeros - a jump into memory where nothing is
; format: multiboot
; arguments: --max-instructions 100000
%include "broken.inc"

start:  ENTER_FLAT
        mov eax, 0x200000
        jmp eax

on_exception:
        jmp fail
