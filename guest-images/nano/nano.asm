; guest: nano
; format: multiboot
; teaches: what single operations cost: calls, string instructions, privileged instructions, interrupts, faults, page tables
; expect-status: 0
; expect-serial: nano call loops 40 operations 1 checksum 00000028\n
; expect-serial: nano icall loops 40 operations 1 checksum 0000003C\n
; expect-serial: nano fib loops 40 operations 465 checksum 00001680\n
; expect-serial: nano load-store loops 40 operations 16 checksum 000004A8\n
; expect-serial: nano rep-movsd loops 40 operations 1 checksum 600DF00D\n
; expect-serial: nano rep-stosb loops 40 operations 1 checksum 01010101\n
; expect-serial: nano x87 loops 40 operations 1 checksum 00000050\n
; expect-serial: nano smc loops 40 operations 1 checksum 00000334\n
; expect-serial: nano pushf-popf loops 40 operations 1 checksum 00000029\n
; expect-serial: nano cli-sti loops 40 operations 1 checksum 00000029\n
; expect-serial: nano read-cr0 loops 40 operations 1 checksum 002807F8\n
; expect-serial: nano toggle-ts loops 40 operations 1 checksum 00000000\n
; expect-serial: nano in loops 40 operations 1 checksum 00000028\n
; expect-serial: nano out loops 40 operations 1 checksum 00000028\n
; expect-serial: nano int-iret loops 40 operations 1 checksum 00000028\n
; expect-serial: nano int80-user loops 40 operations 1 checksum 00000028\n
; expect-serial: nano sysenter loops 40 operations 1 checksum 00000028\n
; expect-serial: nano divide-fault loops 40 operations 1 checksum 00000028\n
; expect-serial: nano page-fault loops 40 operations 1 checksum 00000028\n
; expect-serial: nano pte-invlpg loops 40 operations 1 checksum 00000001\n
; expect-serial: nano remap loops 40 operations 1 checksum 0000003C\n
; expect-serial: nano demand-map loops 40 operations 256 checksum 00141400\n
; expect-serial: nano cr3 loops 40 operations 1 checksum 00000028\n
; expect-serial: nano cr3-flush loops 40 operations 1 checksum 00000028\n
; expect-serial: nano switch loops 40 operations 1 checksum 0000A280\n
;
; Nanobenchmarks after Adams and Agesen ("A Comparison of Software and Hardware Techniques for x86 Virtualization", ASPLOS
; 2006, section 6.3), and more. Each row is one operation in a loop, with paging on and the kernel's pages global, as in a real
; kernel. The command line chooses: row=NAME loops=N (all rows, 40 loops each, without one); row=list names them.
;
; The guest reads no clock - ToyVmm's would be virtual. The host runs a row with N and with 2N loops; the difference, divided by N and
; by the operations of a loop, is the time of one operation (toyvmm bench nano; tools/compare-peers.sh --nano). The guest checks what
; it did (faults counted, values read through new mappings): a row that goes wrong says so and fails.

        bits 32
%include "toyvmm.inc"

DEFAULT_LOOPS   equ 40

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

start:  ENTER_FLAT
        call parse_command_line         ; EBX = Multiboot information: read before paging hides it
        mov al, 0xFF
        out PIC1 + 1, al                ; the CLI+STI row lets interrupts in: there shall be none
        out PIC2 + 1, al
        call prepare_paging
        call prepare_user

        mov ebx, rows
        xor edi, edi                    ; how many rows were run
.row:   mov esi, [wanted]
        test esi, esi
        jz .run
        push dword [ebx + ROW.name]
        call same_word
        jne .next
.run:   call run_row
        inc edi
.next:  add ebx, ROW_size
        cmp ebx, rows_end
        jb .row
        test edi, edi
        jnz power_off
        PRINT "nano: there is no such row; row=list names them", 10
        jmp fail

; run_row: EBX = its entry. Prints one line, or leaves with status 3.
run_row:
        pushad
        mov ecx, [loops]
        call [ebx + ROW.routine]
        mov ebx, [esp + 16]             ; as PUSHAD kept it
        mov esi, eax
        mov edi, edx
        call install_exception_gates    ; a row may have put its own handler there
        PRINT "nano "
        push dword [ebx + ROW.name]
        call print_string
        PRINT " loops "
        PRINT_DEC dword [loops]
        PRINT " operations "
        PRINT_DEC dword [ebx + ROW.operations]
        cmp esi, edi
        jne .wrong
        PRINT " checksum "
        PRINT_HEX esi
        PRINT 10
        popad
        ret
.wrong: PRINT " WRONG: "
        PRINT_HEX esi
        PRINT ", expected "
        PRINT_HEX edi
        PRINT 10
        jmp fail

; Only what no row asked for comes here: each row has gates of its own.
on_exception:
        PRINT "nano: unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT " at "
        PRINT_HEX dword [esp + FRAME.eip]
        PRINT 10
        jmp fail

; ======================================================================================================== command line
; parse_command_line: EBX = Multiboot information. Fills `wanted` and `loops`; does what row=list asks for.
parse_command_line:
        test dword [ebx], 1 << 2        ; flags: is there a command line (Multiboot 3.3)?
        jz .done
        mov esi, [ebx + 16]
.word:  cmp byte [esi], ' '
        jne .text
        inc esi
        jmp .word
.text:  cmp byte [esi], 0
        je .done
        cmp dword [esi], 'row='
        je .named
        cmp dword [esi], 'loop'
        jne .skip
        cmp word [esi + 4], 's='
        je .count
.skip:  cmp byte [esi], ' '
        jbe .word
        inc esi
        jmp .skip

.named: add esi, 4
        push dword word_list
        call same_word
        je .list
        mov [wanted], esi
        jmp .skip
.list:  mov ebx, rows
.name:  push dword [ebx + ROW.name]
        call print_string
        PRINT 10
        add ebx, ROW_size
        cmp ebx, rows_end
        jb .name
        jmp power_off

.count: add esi, 6
        xor eax, eax
.digit: movzx edx, byte [esi]
        cmp dl, ' '
        jbe .counted
        sub edx, '0'
        cmp edx, 9
        ja .malformed
        imul eax, eax, 10               ; the host asks for less than 2^32
        add eax, edx
        inc esi
        jmp .digit
.counted:
        test eax, eax
        jz .malformed
        mov [loops], eax
        jmp .word
.malformed:
        PRINT "nano: loops= wants a number above 0", 10
        jmp fail
.done:  ret

; same_word(name): ZF = the word at ESI, which ends at a blank or NUL, is that name. Keeps all registers.
same_word:
        push esi
        push edi
        push eax
        mov edi, [esp + 16]
.next:  mov al, [esi]
        cmp al, ' '
        ja .letter
        xor al, al
.letter:
        cmp al, [edi]
        jne .done
        inc esi
        inc edi
        test al, al
        jnz .next
.done:  pop eax
        pop edi
        pop esi
        ret 4

; =========================================================================================================== the rows
%include "nano/process.inc"
%include "nano/kernel.inc"
%include "nano/memory.inc"
%include "nano/user.inc"

; A row's routine takes ECX = loops and returns EAX = what it counted and EDX = what that has to be; it keeps nothing.
struc ROW
.name:          resd 1
.routine:       resd 1
.operations:    resd 1          ; how many a loop does
endstruc

; A_ROW name, routine, operations
%macro A_ROW 3
        [section .rodata]
%%name: db %1, 0
        __?SECT?__
        dd %%name, %2, %3
%endmacro

        section .rodata
word_list: db "list", 0

        section .data
        align 4
rows:   A_ROW "call",           row_call,       1                       ; CALL and RET
        A_ROW "icall",          row_icall,      1                       ; CALL through a table, four targets in turn
        A_ROW "fib",            row_fib,        FIB_CALLS               ; one of the calls of a recursive function
        A_ROW "load-store",     row_load_store, LOAD_STORE_PAIRS        ; a load and a store of four bytes
        A_ROW "rep-movsd",      row_rep_movsd,  1                       ; 4 KiB, page to page
        A_ROW "rep-stosb",      row_rep_stosb,  1                       ; 4 KiB
        A_ROW "x87",            row_x87,        1                       ; FMUL, FADD and FDIV, each waiting for the last
        A_ROW "smc",            row_smc,        1                       ; a store into a function, and a call of it
        A_ROW "pushf-popf",     row_pushf_popf, 1
        A_ROW "cli-sti",        row_cli_sti,    1
        A_ROW "read-cr0",       row_read_cr0,   1
        A_ROW "toggle-ts",      row_toggle_ts,  1                       ; one MOV CR0 that changes TS
        A_ROW "in",             row_in,         1                       ; port 0x80
        A_ROW "out",            row_out,        1                       ; port 0x80
        A_ROW "int-iret",       row_int_iret,   1                       ; from ring 0 to ring 0
        A_ROW "int80-user",     row_int80_user, 1                       ; INT 0x80 in ring 3, IRET back
        A_ROW "sysenter",       row_sysenter,   1                       ; SYSENTER in ring 3, SYSEXIT back
        A_ROW "divide-fault",   row_divide,     1                       ; #DE; the handler skips the DIV
        A_ROW "page-fault",     row_page_fault, 1                       ; #PF; the handler reads CR2 and skips the load
        A_ROW "pte-invlpg",     row_pte_invlpg, 1                       ; a page-table store and INVLPG
        A_ROW "remap",          row_remap,      1                       ; the same, and a load through the new entry
        A_ROW "demand-map",     row_demand,     DEMAND_PAGES            ; #PF; the handler maps the page; the load is done
        A_ROW "cr3",            row_cr3,        1                       ; MOV CR3, kernel pages global
        A_ROW "cr3-flush",      row_cr3_flush,  1                       ; MOV CR3 without global pages
        A_ROW "switch",         row_switch,     1                       ; MOV CR3 to another space, a load from 32 pages
rows_end:

wanted: dd 0                    ; the row's name on the command line; 0: all rows
loops:  dd DEFAULT_LOOPS
