; reset - a kernel that resets the machine when something goes wrong
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
crash:  ud2
on_exception:
        mov al, 0xFE
        out KBC_COMMAND, al
.wait:  jmp .wait
