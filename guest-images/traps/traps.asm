; guest: traps
; format: multiboot
; teaches: every exception that a program without an FPU can provoke: vector, error code, saved EIP, CR2, DR6
; expect-status: 0
; expect-serial: -- faults in arithmetic and decoding\n
; expect-serial: DIV by zero: #DE (0) EIP +0\n
; expect-serial: IDIV, quotient too large: #DE (0) EIP +0\n
; expect-serial: AAM 0: #DE (0) EIP +0\n
; expect-serial: BOUND, index 5 of 0..3: #BR (5) EIP +0\n
; expect-serial: UD2: #UD (6) EIP +0\n
; expect-serial: LOCK on a register: #UD (6) EIP +0\n
; expect-serial: MOV CS, AX: #UD (6) EIP +0\n
; expect-serial: an instruction of 16 bytes: #GP (13) error 00000000 EIP +0\n
; expect-serial: -- software interrupts: the saved EIP is the next instruction\n
; expect-serial: INT3: #BP (3) EIP +1\n
; expect-serial: INT 3 in two bytes: #BP (3) EIP +2\n
; expect-serial: INTO with OF set: #OF (4) EIP +1\n
; expect-serial: INTO with OF clear: nothing happened\n
; expect-serial: INT 13: looks like #GP, but no error code is pushed: without an error code: #GP (13) error 00000000 EIP +2\n
; expect-serial: -- debug exceptions\n
; expect-serial: single step of a NOP: #DB (1) EIP +1 DR6 00004000\n
; expect-serial: breakpoint on execution: #DB (1) EIP +0 DR6 00000001\n
; expect-serial: breakpoint on a write of four bytes: #DB (1) EIP +7 DR6 00000002\n
; expect-serial: the same, read: nothing happened\n
; expect-serial: -- no coprocessor\n
; expect-serial: FNINIT with CR0.EM: #NM (7) EIP +0\n
; expect-serial: FNINIT with CR0.TS: #NM (7) EIP +0\n
; expect-serial: WAIT with CR0.TS and CR0.MP: #NM (7) EIP +0\n
; expect-serial: -- selectors and gates: the error code names the selector (SDM 3A 6.13)\n
; expect-serial: DS = a segment that is not present: #NP (11) error 00000028 EIP +0\n
; expect-serial: SS = a segment that is not present: #SS (12) error 00000028 EIP +0\n
; expect-serial: SS = 0: #GP (13) error 00000000 EIP +0\n
; expect-serial: DS = beyond the GDT: #GP (13) error 00001238 EIP +0\n
; expect-serial: DS = in an LDT that does not exist: #GP (13) error 0000000C EIP +0\n
; expect-serial: far JMP to a data segment: #GP (13) error 00000010 EIP +0\n
; expect-serial: far JMP to a TSS of 16 bytes: #TS (10) error 00000030 EIP +0\n
; expect-serial: INT through a gate that is not present: #NP (11) error 00000202 EIP +0\n
; expect-serial: INT through eight zero bytes: #GP (13) error 0000020A EIP +0\n
; expect-serial: INT beyond the IDT's limit: #GP (13) error 00000482 EIP +0\n
; expect-serial: -- page faults: error code bit 0 = protection, bit 1 = write (SDM 3A 4.7)\n
; expect-serial: read of a page that is not there: #PF (14) error 00000000 EIP +0 CR2 00300123\n
; expect-serial: write to a page that is not there: #PF (14) error 00000002 EIP +0 CR2 00300456\n
; expect-serial: write to a read-only page: #PF (14) error 00000003 EIP +0 CR2 00301789\n
; expect-serial: four bytes across the edge: CR2 is the first byte of the page that is missing: #PF (14) error 00000000 EIP +0 CR2 00300000\n
; expect-serial: a jump into a page that is not there: #PF (14) error 00000000 EIP +00300000 CR2 00300000\n
; expect-serial: -- a fault while a fault is delivered\n
; expect-serial: #GP while the #GP gate is not present: #DF: #DF (8) error 00000000\n
; expect-serial: a stack that is not there: #DF (8) error 00000000 in a task of its own; back link 00000038, its ESP 00300800, CR2 003007FC\n
; expect-serial: done\n
;
; Each experiment is written between TRAP and END_TRAP (include/experiment.inc). The handler prints what the CPU delivered: the vector, the error
; code where there is one, and the saved EIP relative to the experiment's first instruction - so "+0" is a *fault*
; (the instruction can be restarted) and anything else a *trap* (it is already done; SDM 3A 6.5). Then it goes on after
; END_TRAP. An experiment that comes to its end has not trapped, and says so.
;
; The last one cannot be survived in the ordinary way: the stack is gone, so the page fault cannot even be delivered.
; That is a double fault, and only a task gate - which brings its own stack - can still report it.
;
; Not here: NMI (2), #MF (16), #MC (18) and #XM (19) need an FPU or outside help. INT1, #AC (17), segment
; limits and the EXT bit of error codes are in `limits`, because QEMU does not do them.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"
%include "experiment.inc"

NOT_PRESENT     equ FREE0               ; a data segment whose present bit is clear
SHORT_TSS       equ FREE0 + 8           ; a TSS that is too small to be one
MAIN_TSS        equ FREE0 + 16          ; where the main task is saved when the double fault takes over
FAULT_TSS       equ FREE0 + 24          ; the double fault's own task
NO_PAGE         equ 0x00300000          ; linear addresses that the page table treats specially
READ_ONLY_PAGE  equ 0x00301000

start:  ENTER_FLAT
        call prepare_paging
        call prepare_tasks

        PRINT "-- faults in arithmetic and decoding", 10
        TRAP "DIV by zero"
        xor edx, edx
        xor ecx, ecx
        BEGIN
        div ecx
        END_TRAP

        TRAP "IDIV, quotient too large"
        mov edx, 0x40000000
        mov ecx, 2
        BEGIN
        idiv ecx
        END_TRAP

        TRAP "AAM 0"
        BEGIN
        aam 0
        END_TRAP

        TRAP "BOUND, index 5 of 0..3"
        mov eax, 5
        BEGIN
        bound eax, [bounds]
        END_TRAP

        TRAP "UD2"
        BEGIN
        ud2
        END_TRAP

        TRAP "LOCK on a register"
        BEGIN
        db 0xF0, 0x01, 0xC0             ; lock add eax, eax: LOCK wants a memory destination (SDM 2A, LOCK)
        END_TRAP

        TRAP "MOV CS, AX"
        BEGIN
        db 0x8E, 0xC8
        END_TRAP

        TRAP "an instruction of 16 bytes"
        BEGIN
        times 15 db 0x3E                ; at most 15 bytes, prefixes included (SDM 3A 6.15, interrupt 13)
        nop
        END_TRAP

        PRINT "-- software interrupts: the saved EIP is the next instruction", 10
        TRAP "INT3"
        BEGIN
        int3
        END_TRAP

        TRAP "INT 3 in two bytes"
        BEGIN
        db 0xCD, 3
        END_TRAP

        TRAP "INTO with OF set"
        mov al, 0x7F
        add al, 1
        BEGIN
        into
        END_TRAP

        TRAP "INTO with OF clear"
        xor eax, eax
        BEGIN
        into
        END_TRAP

        TRAP "INT 13: looks like #GP, but no error code is pushed"
        mov dword [fake_error], 1       ; tells the handler that its frame is one word short
        BEGIN
        int 13
        END_TRAP

        PRINT "-- debug exceptions", 10
        TRAP "single step of a NOP"
        pushfd
        or dword [esp], EFLAGS_TF
        popfd                           ; TF acts after the *next* instruction (SDM 3B 17.3.1.4)
        BEGIN
        nop
        END_TRAP

        TRAP "breakpoint on execution"
        mov eax, %$begin
        mov dr0, eax
        mov eax, 1 << 0                 ; DR7: L0, R/W0 = 00 (execute), LEN0 = 00
        mov dr7, eax
        BEGIN
        nop
        END_TRAP

        TRAP "breakpoint on a write of four bytes"
        mov eax, watched
        mov dr1, eax
        mov eax, (1 << 2) | (1 << 20) | (3 << 22)       ; L1, R/W1 = 01 (write), LEN1 = 11 (4)
        mov dr7, eax
        BEGIN
        mov byte [watched + 3], 1       ; 7 bytes long: a data breakpoint is a trap
        nop
        END_TRAP

        TRAP "the same, read"
        mov eax, (1 << 2) | (1 << 20) | (3 << 22)
        mov dr7, eax
        BEGIN
        mov al, [watched]
        xor eax, eax
        mov dr7, eax
        END_TRAP

        PRINT "-- no coprocessor", 10
        TRAP "FNINIT with CR0.EM"
        mov eax, cr0
        or eax, CR0_EM
        mov cr0, eax
        BEGIN
        fninit
        END_TRAP

        TRAP "FNINIT with CR0.TS"
        mov eax, cr0
        and eax, ~CR0_EM
        or eax, CR0_TS
        mov cr0, eax
        BEGIN
        fninit
        END_TRAP

        TRAP "WAIT with CR0.TS and CR0.MP"
        mov eax, cr0
        or eax, CR0_TS | 2
        mov cr0, eax
        BEGIN
        fwait
        END_TRAP
        mov eax, cr0
        and eax, ~(CR0_TS | 2)
        mov cr0, eax

        PRINT "-- selectors and gates: the error code names the selector (SDM 3A 6.13)", 10
        TRAP "DS = a segment that is not present"
        mov ax, NOT_PRESENT
        BEGIN
        mov ds, ax
        END_TRAP

        TRAP "SS = a segment that is not present"
        mov ax, NOT_PRESENT
        BEGIN
        mov ss, ax
        END_TRAP

        TRAP "SS = 0"
        xor eax, eax
        BEGIN
        mov ss, ax
        END_TRAP

        TRAP "DS = beyond the GDT"
        mov ax, 0x1238
        BEGIN
        mov ds, ax
        END_TRAP

        TRAP "DS = in an LDT that does not exist"
        xor eax, eax
        lldt ax                         ; after a reset LDTR is not empty: base 0, limit FFFF (SDM 3A table 10-1)
        mov ax, 0x000C
        BEGIN
        mov ds, ax
        END_TRAP

        TRAP "far JMP to a data segment"
        BEGIN
        jmp DATA0:0
        END_TRAP

        TRAP "far JMP to a TSS of 16 bytes"
        BEGIN
        jmp SHORT_TSS:0
        END_TRAP

        TRAP "INT through a gate that is not present"
        SET_GATE 0x40, on_exception, GATE_INT32 & 0x7F
        BEGIN
        int 0x40                        ; error code = 0x40 * 8 + 2 (IDT bit)
        END_TRAP

        TRAP "INT through eight zero bytes"
        BEGIN
        int 0x41                        ; the type is checked before the present bit (SDM 2A, INT n)
        END_TRAP

        TRAP "INT beyond the IDT's limit"
        lidt [idt_half]
        BEGIN
        int 0x90
        END_TRAP
        lidt [idt_pointer]

        PRINT "-- page faults: error code bit 0 = protection, bit 1 = write (SDM 3A 4.7)", 10
        TRAP "read of a page that is not there"
        BEGIN
        mov eax, [NO_PAGE + 0x123]
        END_TRAP

        TRAP "write to a page that is not there"
        BEGIN
        mov [NO_PAGE + 0x456], eax
        END_TRAP

        TRAP "write to a read-only page"
        BEGIN
        mov [READ_ONLY_PAGE + 0x789], eax
        END_TRAP

        TRAP "four bytes across the edge: CR2 is the first byte of the page that is missing"
        BEGIN
        mov eax, [NO_PAGE - 2]
        END_TRAP

        TRAP "a jump into a page that is not there"
        mov eax, NO_PAGE
        BEGIN
        jmp eax                         ; the jump itself succeeds: the fault belongs to the target
        END_TRAP

        PRINT "-- a fault while a fault is delivered", 10
        TRAP "#GP while the #GP gate is not present: #DF"
        and byte [idt + 13 * 8 + 5], 0x7F
        mov ax, 0x1238
        BEGIN
        mov ds, ax                      ; contributory, then contributory
        END_TRAP
        or byte [idt + 13 * 8 + 5], 0x80

        PRINT "a stack that is not there: "
        mov dword [idt + 8 * 8], FAULT_TSS << 16        ; vector 8 becomes a task gate (SDM 3A 7.2.5)
        mov dword [idt + 8 * 8 + 4], GATE_TASK << 8
        mov esp, NO_PAGE + 0x800
        push eax                        ; #PF; its frame cannot be pushed: #PF again; that makes #DF
        PRINT "nothing happened", 10
        jmp fail

; ---- the double fault's task: entered with everything fresh, ESP included --------------------------------------------
double_fault_task:
        pop eax                         ; the error code of #DF, always 0
        PRINT "#DF (8) error "
        PRINT_HEX eax
        PRINT " in a task of its own; back link "
        movzx eax, word [fault_tss]
        PRINT_HEX eax
        PRINT ", its ESP "
        PRINT_HEX dword [main_tss + 56] ; the CPU saved the interrupted task's ESP (SDM 3A figure 7-2)
        PRINT ", CR2 "
        mov eax, cr2
        PRINT_HEX eax
        PRINT 10, "done", 10
        jmp power_off

; ---- preparation ---------------------------------------------------------------------------------------------------------
; Identity-maps the first 4 MiB in 4 KiB pages, two of them in a special way, and turns paging on (SDM 3A 4.3).
prepare_paging:
        mov edi, page_table
        mov eax, 3                      ; present, writable
.fill:  mov [edi], eax
        add edi, 4
        add eax, 0x1000
        cmp edi, page_table + 4096
        jb .fill
        mov dword [page_table + (NO_PAGE >> 12) * 4], 0
        mov dword [page_table + (READ_ONLY_PAGE >> 12) * 4], READ_ONLY_PAGE | 1
        mov eax, page_table
        or eax, 3
        mov [page_directory], eax
        mov eax, page_directory
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG | CR0_WP         ; without WP, ring 0 writes to read-only pages (SDM 3A 4.6)
        mov cr0, eax
        ret

prepare_tasks:
        mov dword [gdt + NOT_PRESENT], 0x0000FFFF
        mov dword [gdt + NOT_PRESENT + 4], 0x00CF1200           ; SEG_DATA without the present bit
        mov dword [gdt + SHORT_TSS], 0x0000000F
        mov dword [gdt + SHORT_TSS + 4], SEG_TSS32 << 8
        SET_DESCRIPTOR_BASE SHORT_TSS, main_tss
        mov dword [gdt + MAIN_TSS], 103
        mov dword [gdt + MAIN_TSS + 4], SEG_TSS32 << 8
        SET_DESCRIPTOR_BASE MAIN_TSS, main_tss
        mov dword [gdt + FAULT_TSS], 103
        mov dword [gdt + FAULT_TSS + 4], SEG_TSS32 << 8
        SET_DESCRIPTOR_BASE FAULT_TSS, fault_tss
        mov dword [fault_tss + 28], page_directory              ; CR3
        mov dword [fault_tss + 32], double_fault_task           ; EIP
        mov dword [fault_tss + 36], 2                           ; EFLAGS
        mov dword [fault_tss + 56], fault_stack_top             ; ESP
        mov dword [fault_tss + 72], DATA0                       ; ES
        mov dword [fault_tss + 76], CODE0                       ; CS
        mov dword [fault_tss + 80], DATA0                       ; SS
        mov dword [fault_tss + 84], DATA0                       ; DS
        mov dword [fault_tss + 88], DATA0                       ; FS
        mov dword [fault_tss + 92], DATA0                       ; GS
        mov word [fault_tss + 102], 104                         ; no I/O bitmap
        mov ax, MAIN_TSS
        ltr ax                          ; a task switch needs somewhere to save the old task
        ret

        section .rodata
        align 4
bounds: dd 0, 3
idt_half:
        dw 0x80 * 8 - 1
        dd idt

        section .data
        align 4
watched:        dd 0

        section .bss
        alignb 4096
page_directory: resb 4096
page_table:     resb 4096
main_tss:       resb 104
fault_tss:      resb 104
        alignb 16
fault_stack:    resb 4096
fault_stack_top:
