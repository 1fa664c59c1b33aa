; guest: smc
; format: multiboot
; teaches: code that changes code: the next instruction, its own loop, another page, an alias, a page that straddles, a remap
; expect-status: 0
; expect-serial: the next instruction: 00000077\n
; expect-serial: an instruction further on: 00C0FFEE\n
; expect-serial: a loop that changes itself: 0000F394\n
; expect-serial: NOPs turned into a MOV by REP MOVSB: 12345678\n
; expect-serial: five INCs: 00000005\n
; expect-serial: become one MOV: 40404040\n
; expect-serial: a CALL that changes its target: 00010200\n
; expect-serial: a function written 1000 times: 0007A314\n
; expect-serial: through an alias of the page: A11A5000\n
; expect-serial: run through the alias: D15EA5ED\n
; expect-serial: data in the code's page: 02FB0408\n
; expect-serial: an instruction across two pages: 11223344\n
; expect-serial: its second half changed: AABBCC44\n
; expect-serial: a page that changes its frame: 0000012C\n
; expect-serial: a store that was denied: 00000001\n
;
; Since the P6, a store to an instruction that is already in the pipeline is noticed, by physical address (SDM 3A, "Handling
; Self- and Cross-Modifying Code"). Every engine that keeps decoded or translated code must notice as well: this guest is
; where it proves so.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

; RESULT "what", register, expected
%macro RESULT 3
        PRINT %1, ": "
        PRINT_HEX %2
        cmp %2, %3
        je %%ok
        PRINT " WRONG", 10
        jmp fail
%%ok:   PRINT 10
%endmacro

ALIAS           equ 0x40000000          ; a second linear address for the frame of `patched_page`
CODE_PAGE       equ 0x40001000          ; changes its frame under the code
STRADDLE        equ 0x40002000          ; two pages whose frames are not neighbours

start:  ENTER_FLAT
        call prepare_paging

        ; ---- the very next instruction
        xor eax, eax
        mov byte [.next + 1], 0x77
.next:  mov al, 0x11                    ; runs as MOV AL, 77h
        RESULT "the next instruction", eax, 0x77

        ; ---- the one after, in the middle of a straight block
        xor eax, eax
        mov dword [.later + 1], 0x00C0FFEE
        nop
        nop
        nop
.later: mov eax, 0
        RESULT "an instruction further on", eax, 0x00C0FFEE

        ; ---- its own loop: the immediate is the loop's counter
        xor eax, eax
        mov ecx, 1000
.loop:  add eax, 1                      ; 83 C0 01: the 01 grows
        inc byte [.loop + 2]
        and byte [.loop + 2], 0x7F
        dec ecx
        jnz .loop
        RESULT "a loop that changes itself", eax, 62356

        ; ---- from one instruction into another: five NOPs become MOV EAX, imm32
        xor eax, eax
        mov esi, .model
        mov edi, .place
        mov ecx, 5
        rep movsb
.place: times 5 nop
        RESULT "NOPs turned into a MOV by REP MOVSB", eax, 0x12345678
        jmp .after_model
.model: mov eax, 0x12345678
.after_model:

        ; ---- a longer instruction that swallows its neighbour: 40 40 40 40 40 -> B8 imm32
        mov ebx, 2
.twice: xor eax, eax
.incs:  times 5 inc eax                 ; first 5, then MOV EAX, 40404040h
        push eax
        mov byte [.incs], 0xB8
        dec ebx
        jnz .twice
        pop ecx
        pop edx
        RESULT "five INCs", edx, 5
        RESULT "become one MOV", ecx, 0x40404040

        ; ---- the target of a call
        xor edx, edx
        mov ecx, 2
.recall:
        call returns_1                  ; E8 rel32
        add edx, eax
        shl edx, 8
        mov dword [.recall + 1], returns_2 - (.recall + 5)
        dec ecx
        jnz .recall
        RESULT "a CALL that changes its target", edx, 0x00010200

        ; ---- a function written from scratch, a thousand times
        xor edx, edx
        mov ecx, 1000
.write: mov byte [patched_page], 0xB8                   ; MOV EAX, ECX's value
        mov [patched_page + 1], ecx
        mov byte [patched_page + 5], 0xC3               ; RET
        mov eax, patched_page
        call eax
        add edx, eax
        dec ecx
        jnz .write
        RESULT "a function written 1000 times", edx, 500500

        ; ---- through an alias: the store's linear address has nothing to do with the code's
        mov eax, patched_page
        call eax
        mov dword [ALIAS + 1], 0xA11A5000
        xor eax, eax
        cpuid                           ; another linear address: a serializing instruction is asked for
        mov eax, patched_page
        call eax
        RESULT "through an alias of the page", eax, 0xA11A5000
        mov dword [patched_page + 1], 0xD15EA5ED
        mov eax, ALIAS                  ; and the other way round: run the alias
        call eax
        RESULT "run through the alias", eax, 0xD15EA5ED

        ; ---- data beside code, written in every turn of a hot loop
        mov ecx, 10000
        xor eax, eax
.data:  inc dword [.counter]
        add eax, [.counter]
        dec ecx
        jnz .data
        jmp .after_data
.counter: dd 0
.after_data:
        RESULT "data in the code's page", eax, 50005000

        ; ---- one instruction on two pages; only the second one changes
        mov byte [frame_1 + 4094], 0xB8                 ; MOV EAX, ...
        mov byte [frame_1 + 4095], 0x44
        mov dword [frame_2], 0xC3112233                 ; ... 11223344h; RET
        mov eax, STRADDLE + 4094
        call eax
        RESULT "an instruction across two pages", eax, 0x11223344
        mov dword [frame_2], 0xC3AABBCC
        mov eax, STRADDLE + 4094
        call eax
        RESULT "its second half changed", eax, 0xAABBCC44

        ; ---- the same address, another frame: the code "changes" without any store to it
        mov byte [frame_1], 0xB8
        mov dword [frame_1 + 1], 1
        mov byte [frame_1 + 5], 0xC3
        mov byte [frame_2], 0xB8
        mov dword [frame_2 + 1], 2
        mov byte [frame_2 + 5], 0xC3
        xor edx, edx
        mov ecx, 100
.remap: mov dword [table_window + 4], frame_1 + 3
        invlpg [CODE_PAGE]
        mov eax, CODE_PAGE
        call eax
        add edx, eax
        mov dword [table_window + 4], frame_2 + 3
        invlpg [CODE_PAGE]
        mov eax, CODE_PAGE
        call eax
        add edx, eax
        dec ecx
        jnz .remap
        RESULT "a page that changes its frame", edx, 300

        ; ---- a store that fails changes nothing
        mov dword [table_window + 4], frame_1 + 1       ; read-only, WP is on
        invlpg [CODE_PAGE]
        mov dword [resume], .denied
        mov dword [CODE_PAGE + 1], 0xBADBAD
        jmp fail
.denied:
        mov eax, CODE_PAGE
        call eax
        RESULT "a store that was denied", eax, 1
        jmp power_off

returns_1:
        mov eax, 1
        ret
returns_2:
        mov eax, 2
        ret

prepare_paging:
        mov edi, table_low
        mov eax, 3
.fill:  stosd
        add eax, 0x1000
        cmp edi, table_low + 4096
        jb .fill
        mov dword [directory], table_low + 3
        mov dword [directory + (ALIAS >> 22) * 4], table_window + 3
        mov dword [table_window], patched_page + 3
        mov dword [table_window + 8], frame_1 + 3
        mov dword [table_window + 12], frame_2 + 3
        mov eax, directory
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG | CR0_WP
        mov cr0, eax
        ret

on_exception:
        mov ebp, esp
        cmp dword [ebp + FRAME.vector], 14
        jne .unexpected
        mov eax, [resume]
        test eax, eax
        jz .unexpected
        mov [ebp + FRAME.eip], eax
        EXCEPTION_RETURN
.unexpected:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT " at "
        PRINT_HEX dword [esp + FRAME.eip]
        PRINT 10
        jmp fail

        section .bss
        alignb 4096
directory:      resb 4096
table_low:      resb 4096
table_window:   resb 4096
patched_page:   resb 4096
frame_2:        resb 4096               ; in this order, so that the straddling pages are not neighbours in memory
frame_1:        resb 4096
resume:         resd 1
