; poll - waiting for a bit of a device that never comes
; format: multiboot
; arguments: --max-instructions 100000
%include "broken.inc"

start:  ENTER_FLAT
        mov dx, COM1 + 6
waits:   in al, dx
        test al, 1
        jz waits
        jmp fail

on_exception:
        jmp fail
