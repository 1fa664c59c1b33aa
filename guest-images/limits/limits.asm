; guest: limits
; format: multiboot
; teaches: the checks that fast emulators leave out: segment limits and types, null selectors, alignment, INT1, the T bit
; expect-status: 0
; expect-serial: -- limits\n
; expect-serial: read of the last byte: nothing happened\n
; expect-serial: read of one byte too far: #GP (13) error 00000000 EIP +0\n
; expect-serial: four bytes, the last one too far: #GP (13) error 00000000 EIP +0\n
; expect-serial: four bytes that wrap around at FFFFFFFF: #GP (13) error 00000000 EIP +0\n
; expect-serial: write of one byte too far: #GP (13) error 00000000 EIP +0\n
; expect-serial: expand-down: below: #GP (13) error 00000000 EIP +0\n
; expect-serial: expand-down: at the first valid offset: nothing happened\n
; expect-serial: the stack's limit: #SS, not #GP: #SS (12) error 00000000 EIP +0\n
; expect-serial: EBP means SS too: #SS (12) error 00000000 EIP +0\n
; expect-serial: POP beyond the stack's limit: #SS (12) error 00000000 EIP +0\n
; expect-serial: far JMP beyond the code's limit: #GP (13) error 00000000 EIP +0\n
; expect-serial: running off the end of the code: #GP (13) error 00000000 EIP +3\n
; expect-serial: -- types\n
; expect-serial: write to a read-only segment: #GP (13) error 00000000 EIP +0\n
; expect-serial: INC in a read-only segment: #GP (13) error 00000000 EIP +0\n
; expect-serial: write through CS: #GP (13) error 00000000 EIP +0\n
; expect-serial: read through CS: nothing happened\n
; expect-serial: read through an execute-only CS: #GP (13) error 00000000 EIP +0\n
; expect-serial: DS = an execute-only segment: #GP (13) error 00000040 EIP +0\n
; expect-serial: SS = a read-only segment: #GP (13) error 00000038 EIP +0\n
; expect-serial: read through a null FS: #GP (13) error 00000000 EIP +0\n
; expect-serial: STOSB through a null ES: #GP (13) error 00000000 EIP +0\n
; expect-serial: REP STOSB with ECX = 0 through a null ES: nothing happened\n
; expect-serial: -- control registers\n
; expect-serial: CR0.PG without CR0.PE: #GP (13) error 00000000 EIP +0\n
; expect-serial: CR0.NW without CR0.CD: #GP (13) error 00000000 EIP +0\n
; expect-serial: a reserved bit of CR4: #GP (13) error 00000000 EIP +0\n
; expect-serial: CR1: #UD (6) EIP +0\n
; expect-serial: a reserved bit in a 4 MiB page's entry: #PF (14) error 00000009 EIP +0 CR2 40000000\n
; expect-serial: -- an exception while another is delivered: EXT, bit 0 of the error code (SDM 3A 6.13)\n
; expect-serial: UD2 while the #UD gate is not present: #NP (11) error 00000033 EIP +0\n
; expect-serial: INT 6 while the #UD gate is not present: #NP (11) error 00000032 EIP +0\n
; expect-serial: -- debug\n
; expect-serial: INT1 (F1): #DB (1) EIP +1 DR6 00000000\n
; expect-serial: DR7.GD: the debug registers are guarded: #DB (1) EIP +0 DR6 00002000\n
; expect-serial: DR4 with CR4.DE: #UD (6) EIP +0\n
; expect-serial: a breakpoint on a port: #DB (1) EIP +2 DR6 00000004\n
; expect-serial: -- alignment: ring 3 only, CR0.AM and EFLAGS.AC\n
; expect-serial: ring 0, odd address: nothing happened\n
; expect-serial: ring 3, odd address, a double word: #AC (17) error 00000000 EIP +0\n
; expect-serial: ring 3, a word at an odd address: #AC (17) error 00000000 EIP +0\n
; expect-serial: ring 3, PUSH on a crooked stack: #AC (17) error 00000000 EIP +0\n
; expect-serial: ring 3, aligned; INT1 leads back: #DB (1) EIP +6 DR6 00000000\n
; expect-serial: -- a task whose T bit is set\n
; expect-serial: JMP to it: #DB before its first instruction, BT in DR6: #DB (1) EIP +0 DR6 00008000\n
; expect-serial: done\n
; qemu-skip: QEMU's TCG checks no segment limits or types, no alignment, no EXT bit, no DR7.GD and no T bit (Bochs 2.7 does all of this)
;
; The companion of `traps`: every line here is what the manual says and what Bochs prints. Each memory access checks the
; offset against the limit in the segment register's hidden part (SDM 3A 5.3), the type (5.5) - and costs nothing on
; hardware. A VMM that keeps the guest in its place by these checks has to get them right.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"
%include "experiment.inc"

SMALL           equ FREE0               ; 16 bytes of data, offsets 0-15
DOWN            equ FREE0 + 8           ; expand-down data: offsets 16-FFFFFFFF
READ_ONLY       equ FREE0 + 16
EXECUTE_ONLY    equ FREE0 + 24          ; flat code that may not be read
SMALL_STACK     equ FREE0 + 32          ; 4096 bytes
SMALL_CODE      equ FREE0 + 40          ; a few bytes of code
TSS             equ FREE0 + 48
TSS_T           equ FREE0 + 56          ; the task whose T bit is set
LARGE           equ 0x40000000

%macro SEGMENT 4                        ; selector, base, the descriptor's first and second dword without base
        mov dword [gdt + %1], %3
        mov dword [gdt + %1 + 4], %4
        SET_DESCRIPTOR_BASE %1, %2
%endmacro

start:  ENTER_FLAT
        SEGMENT SMALL, area, 15, 0x00409200
        SEGMENT DOWN, area, 15, 0x00409600
        SEGMENT READ_ONLY, area, 15, 0x00409000
        SEGMENT EXECUTE_ONLY, 0, 0xFFFF, 0x00CF9800
        SEGMENT SMALL_STACK, stack_area, 4095, 0x00409200
        SEGMENT SMALL_CODE, small_code, small_code_end - small_code - 1, 0x00409A00
        SEGMENT TSS, tss, 103, SEG_TSS32 << 8
        SEGMENT TSS_T, tss_t, 103, SEG_TSS32 << 8
        mov dword [tss + 4], stack_top - 4096
        mov dword [tss + 8], DATA0
        mov word [tss + 102], 104
        mov ax, TSS
        ltr ax

        PRINT "-- limits", 10
        TRAP "read of the last byte"
        mov ax, SMALL
        mov fs, ax
        BEGIN
        mov al, [fs:15]
        END_TRAP

        TRAP "read of one byte too far"
        BEGIN
        mov al, [fs:16]
        END_TRAP

        TRAP "four bytes, the last one too far"
        BEGIN
        mov eax, [fs:13]
        END_TRAP

        TRAP "four bytes that wrap around at FFFFFFFF"
        BEGIN
        mov eax, [fs:0xFFFFFFFE]
        END_TRAP

        TRAP "write of one byte too far"
        BEGIN
        mov [fs:16], al
        END_TRAP

        TRAP "expand-down: below"
        mov ax, DOWN
        mov gs, ax
        BEGIN
        mov al, [gs:15]
        END_TRAP

        TRAP "expand-down: at the first valid offset"
        BEGIN
        mov al, [gs:16]
        END_TRAP

        TRAP "the stack's limit: #SS, not #GP"
        mov ax, SMALL_STACK
        mov ss, ax
        mov esp, 4096                   ; the handler's frame has room in it
        BEGIN
        mov eax, [ss:4096]
        END_TRAP

        TRAP "EBP means SS too"
        mov ax, SMALL_STACK
        mov ss, ax
        mov esp, 4096
        mov ebp, 4095
        BEGIN
        mov eax, [ebp]
        END_TRAP

        TRAP "POP beyond the stack's limit"
        mov ax, SMALL_STACK
        mov ss, ax
        mov esp, 4094
        BEGIN
        pop eax
        END_TRAP

        TRAP "far JMP beyond the code's limit"
        BEGIN
        jmp SMALL_CODE:0x100            ; checked before anything is changed
        END_TRAP

        TRAP "running off the end of the code"
        mov dword [experiment], 0       ; EIP is an offset in the small segment here
        BEGIN
        jmp SMALL_CODE:0
        END_TRAP

        PRINT "-- types", 10
        TRAP "write to a read-only segment"
        mov ax, READ_ONLY
        mov fs, ax
        BEGIN
        mov [fs:0], al
        END_TRAP

        TRAP "INC in a read-only segment"
        BEGIN
        inc byte [fs:0]
        END_TRAP

        TRAP "write through CS"
        BEGIN
        mov [cs:area], al
        END_TRAP

        TRAP "read through CS"
        BEGIN
        mov al, [cs:area]
        END_TRAP

        TRAP "read through an execute-only CS"
        jmp EXECUTE_ONLY:.execute_only
.execute_only:
        BEGIN
        mov al, [cs:area]
        END_TRAP

        TRAP "DS = an execute-only segment"
        mov ax, EXECUTE_ONLY
        BEGIN
        mov ds, ax
        END_TRAP

        TRAP "SS = a read-only segment"
        mov ax, READ_ONLY
        BEGIN
        mov ss, ax
        END_TRAP

        TRAP "read through a null FS"
        xor eax, eax
        mov fs, ax                      ; legal ...
        BEGIN
        mov al, [fs:0]                  ; ... until it is used (SDM 3A 5.4.1)
        END_TRAP

        TRAP "STOSB through a null ES"
        xor eax, eax
        mov es, ax
        mov edi, area
        BEGIN
        stosb
        END_TRAP

        TRAP "REP STOSB with ECX = 0 through a null ES"
        xor eax, eax
        mov es, ax
        xor ecx, ecx
        BEGIN
        rep stosb                       ; accesses nothing
        END_TRAP
        mov ax, DATA0
        mov es, ax

        PRINT "-- control registers", 10
        TRAP "CR0.PG without CR0.PE"
        mov eax, 0x80000010
        BEGIN
        mov cr0, eax
        END_TRAP

        TRAP "CR0.NW without CR0.CD"
        mov eax, cr0
        or eax, 1 << 29
        and eax, ~(1 << 30)
        BEGIN
        mov cr0, eax
        END_TRAP

        TRAP "a reserved bit of CR4"
        mov eax, cr4
        or eax, 1 << 31
        BEGIN
        mov cr4, eax
        END_TRAP

        TRAP "CR1"
        BEGIN
        db 0x0F, 0x20, 0xC8             ; mov eax, cr1
        END_TRAP

        TRAP "a reserved bit in a 4 MiB page's entry"
        call prepare_paging
        BEGIN
        mov eax, [LARGE]                ; error code bit 3 = reserved bit, with bit 0
        END_TRAP
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax

        PRINT "-- an exception while another is delivered: EXT, bit 0 of the error code (SDM 3A 6.13)", 10
        TRAP "UD2 while the #UD gate is not present"
        and byte [idt + 6 * 8 + 5], 0x7F
        BEGIN
        ud2                             ; benign, then contributory: no double fault (SDM 3A table 6-5), but #NP with EXT
        END_TRAP
        or byte [idt + 6 * 8 + 5], 0x80

        TRAP "INT 6 while the #UD gate is not present"
        and byte [idt + 6 * 8 + 5], 0x7F
        BEGIN
        int 6                           ; the program's own doing: no EXT
        END_TRAP
        or byte [idt + 6 * 8 + 5], 0x80

        PRINT "-- debug", 10
        TRAP "INT1 (F1)"
        BEGIN
        db 0xF1                         ; a trap, and no bit in DR6
        END_TRAP

        TRAP "DR7.GD: the debug registers are guarded"
        mov eax, 1 << 13
        mov dr7, eax
        BEGIN
        mov eax, dr7                    ; a fault; the CPU clears GD so that the handler can work (SDM 3B 17.2.4)
        END_TRAP

        TRAP "DR4 with CR4.DE"
        mov eax, cr4
        or eax, 1 << 3
        mov cr4, eax
        BEGIN
        db 0x0F, 0x21, 0xE0             ; mov eax, dr4: an alias of DR6 while DE = 0
        END_TRAP

        TRAP "a breakpoint on a port"
        mov eax, 0x80
        mov dr2, eax
        mov eax, (1 << 4) | (2 << 24)   ; L2, R/W2 = 10 (I/O, with CR4.DE), LEN2 = 00
        mov dr7, eax
        BEGIN
        out 0x80, al
        nop
        END_TRAP

        PRINT "-- alignment: ring 3 only, CR0.AM and EFLAGS.AC", 10
        mov eax, cr0
        or eax, CR0_AM
        mov cr0, eax
        TRAP "ring 0, odd address"
        pushfd
        or dword [esp], EFLAGS_AC
        popfd
        BEGIN
        mov eax, [area + 1]
        END_TRAP

        TRAP "ring 3, odd address, a double word"
        call to_ring_3
        BEGIN
        mov eax, [area + 1]
        END_TRAP

        TRAP "ring 3, a word at an odd address"
        call to_ring_3
        BEGIN
        mov [area + 3], ax
        END_TRAP

        TRAP "ring 3, PUSH on a crooked stack"
        call to_ring_3
        sub esp, 2
        BEGIN
        push eax
        END_TRAP

        TRAP "ring 3, aligned; INT1 leads back"
        call to_ring_3
        BEGIN
        mov eax, [area + 4]
        db 0xF1
        END_TRAP

        PRINT "-- a task whose T bit is set", 10
        mov dword [tss_t + 32], task_t
        mov dword [tss_t + 36], 2
        mov dword [tss_t + 56], stack_top - 8192
        mov dword [tss_t + 72], DATA0
        mov dword [tss_t + 76], CODE0
        mov dword [tss_t + 80], DATA0
        mov dword [tss_t + 84], DATA0
        mov word [tss_t + 100], 1
        mov word [tss_t + 102], 104
        TRAP "JMP to it: #DB before its first instruction, BT in DR6"
        mov dword [experiment], task_t
        BEGIN
        jmp TSS_T:0
task_t: nop
        END_TRAP
        PRINT "done", 10
        jmp power_off

; Goes on after the CALL in ring 3, on another stack, with EFLAGS.AC set. Only a trap leads back.
to_ring_3:
        pop eax
        mov cx, DATA3
        mov ds, cx
        push dword DATA3
        push dword user_stack_top
        push dword EFLAGS_AC | 2
        push dword CODE3
        push eax
        iretd

; Maps the first 4 MiB with a large page, and another one with bit 21 - reserved, PSE-36 or not - set.
prepare_paging:
        mov dword [directory], 0x83
        mov dword [directory + (LARGE >> 22) * 4], 0x83 | (1 << 21)
        mov eax, cr4
        or eax, CR4_PSE
        mov cr4, eax
        mov eax, directory
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
        ret

small_code:                             ; copied nowhere: SMALL_CODE's base is here
        nop
        nop
        nop                             ; the next fetch is at offset 3, beyond the limit
small_code_end:
        ud2

        section .data
        align 16
area:   times 4 dd 0x11223344

        section .bss
        alignb 4096
directory:      resb 4096
stack_area:     resb 4096
                resb 4096
user_stack_top:
tss:            resb 104
tss_t:          resb 104
