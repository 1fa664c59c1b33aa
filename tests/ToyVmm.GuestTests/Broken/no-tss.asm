; no-tss - a fault in ring 3, without a TSS
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        push dword DATA3
        push dword stack_top - 8192
        push dword 2
        push dword CODE3
        push dword user
        iretd
user:
crash:  hlt

on_exception:
        jmp fail
