; spin - a jump to itself
; format: multiboot
; arguments: --max-instructions 100000
%include "broken.inc"

start:  ENTER_FLAT
end:    jmp end

on_exception:
        jmp fail
