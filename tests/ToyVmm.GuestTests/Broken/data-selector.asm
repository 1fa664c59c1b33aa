; data-selector - gates that name the data segment
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        mov ecx, 32
        mov edi, idt + 2
.next:  mov word [edi], DATA0
        add edi, 8
        loop .next
crash:  ud2

on_exception:
        jmp fail
