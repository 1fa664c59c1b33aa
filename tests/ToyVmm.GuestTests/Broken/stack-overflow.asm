; stack-overflow - endless recursion into a page that is missing
; format: multiboot
%include "broken.inc"

start:  ENTER_FLAT
        call fill_page_tables
        mov dword [page_table + 0x10 * 4], 0
        PAGING_ON
        mov esp, 0x12000
        call recurse
recurse:
        push eax
        call recurse
        ret

on_exception:
        jmp fail
