; no-identity - paging is switched on, and the code that does it is not mapped
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        PAGING_ON               ; the directory is empty

on_exception:
        jmp fail
