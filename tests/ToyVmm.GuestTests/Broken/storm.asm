; storm - a page-fault handler that returns without having done anything
; format: multiboot
; arguments: --max-instructions 100000
%include "broken.inc"

start:  ENTER_FLAT
        call fill_page_tables
        PAGING_ON
crash:  mov [0x500000], eax
        jmp fail
on_exception:
        EXCEPTION_RETURN
