; null-call - a function pointer that nobody has set
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        call fill_page_tables
        mov dword [page_table], 0
        lidt [empty_pointer]
        PAGING_ON
        call [handler]
after:  jmp fail

on_exception:
        jmp fail
        section .rodata
empty_pointer:
        dw 0
        dd 0
        section .bss
handler: resd 1
