; native.asm - the rows of process.inc as a part of an ordinary 32-bit program (native_main.c): what they cost without a VMM.
; nasm -f elf32 -I guest-images/ -o native.o guest-images/nano/native.asm; not a guest.

        bits 32
        section .note.GNU-stack noalloc noexec nowrite progbits

        section .text
%include "nano/process.inc"

; uint32_t native_row(unsigned index, uint32_t loops, uint32_t *counted): the operations of a loop, or 0 when there is no such row or
; it counted wrong. Name of a row: native_names[index], NULL behind the last.
        global native_row
        global native_names
native_row:
        push ebp
        push ebx
        push esi
        push edi
        mov eax, [esp + 20]
        cmp eax, (native_names.end - native_names) / 4
        jae .bad
        mov ecx, [esp + 24]
        call [routines + eax * 4]
        mov ecx, [esp + 28]
        mov [ecx], eax
        cmp eax, edx
        jne .bad
        mov eax, [esp + 20]
        mov eax, [operations + eax * 4]
        jmp .leave
.bad:   xor eax, eax
.leave: pop edi
        pop esi
        pop ebx
        pop ebp
        ret

        section .rodata
        align 4
native_names:
        dd name_call, name_icall, name_fib, name_load_store, name_rep_movsd, name_rep_stosb, name_x87
.end:   dd 0
routines:
        dd row_call, row_icall, row_fib, row_load_store, row_rep_movsd, row_rep_stosb, row_x87
operations:
        dd 1, 1, FIB_CALLS, LOAD_STORE_PAIRS, 1, 1, 1
name_call:              db "call", 0
name_icall:             db "icall", 0
name_fib:               db "fib", 0
name_load_store:        db "load-store", 0
name_rep_movsd:         db "rep-movsd", 0
name_rep_stosb:         db "rep-stosb", 0
name_x87:               db "x87", 0
