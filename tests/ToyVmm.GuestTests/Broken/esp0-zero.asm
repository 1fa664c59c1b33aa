; esp0-zero - a fault in ring 3, with ESP0 = 0 in the TSS
; format: multiboot
%include "broken.inc"

TSS     equ FREE0
start:  ENTER_FLAT
        SET_DESCRIPTOR_BASE TSS, tss
        mov word [gdt + TSS], 103
        mov byte [gdt + TSS + 5], SEG_TSS32
        mov dword [tss + 8], DATA0
        mov ax, TSS
        ltr ax
        call fill_page_tables
        PAGING_ON
        push dword DATA3
        push dword stack_top - 8192
        push dword 2
        push dword CODE3
        push dword user
        iretd
user:
crash:  cli

on_exception:
        jmp fail
        section .bss
tss:    resb 104
