; unmapped-handler - the page-fault handler lies on a page that is not mapped
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        SET_GATE 14, 0x800000, GATE_INT32
        call fill_page_tables
        mov dword [page_table + 0x10 * 4], 0
        PAGING_ON
        mov esp, 0x11800        ; two pages of stack above one that is missing
crash:  mov eax, [0x500000]

on_exception:
        jmp fail
