; panic - a panic with a verdict
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        mov ax, 0x58
crash:  mov ds, ax
on_exception:
        mov al, 7
        out DEBUG_EXIT, al
.wait:  jmp .wait
