; guest: rings
; format: multiboot
; teaches: user mode and the five ways across the border: INT 0x80, a call gate, SYSENTER, a conforming segment, and faults
; expect-status: 0
; expect-serial: in user mode: CS 0000001B, SS 00000023\n
; expect-serial: -- privileged instructions\n
; expect-serial: HLT: vector 13, error 00000000\n
; expect-serial: CLI: vector 13, error 00000000\n
; expect-serial: MOV EAX, CR0: vector 13, error 00000000\n
; expect-serial: LGDT: vector 13, error 00000000\n
; expect-serial: INVLPG: vector 13, error 00000000\n
; expect-serial: RDMSR: vector 13, error 00000000\n
; expect-serial: CLTS: vector 13, error 00000000\n
; expect-serial: -- sensitive instructions that do not trap\n
; expect-serial: POPF with IF and IOPL set: 00000000\n
; expect-serial: SMSW, bit 0: 00000001\n
; expect-serial: STR: 00000028\n
; expect-serial: LAR of the kernel's data segment: not visible\n
; expect-serial: -- segments and gates\n
; expect-serial: DS = the kernel's data: vector 13, error 00000010\n
; expect-serial: far JMP to the kernel's code: vector 13, error 00000008\n
; expect-serial: far RET to the kernel's code: vector 13, error 00000008\n
; expect-serial: INT 0x81, a gate for ring 0: vector 13, error 0000040A\n
; expect-serial: call gate: ring 0 through the gate, parameters 11111111 22222222, bytes on the new stack 24\n
; expect-serial: back in ring 3, the stack is 00000000\n
; expect-serial: conforming segment: CS there is 00000033\n
; expect-serial: ring 0 through SYSENTER: CS 00000008, SS 00000010\n
; expect-serial: back from SYSEXIT: CS 0000001B, SS 00000023\n
; expect-serial: -- pages: error code bit 2 = user\n
; expect-serial: read a kernel page: vector 14, error 00000005, CR2 00300004\n
; expect-serial: write a kernel page: vector 14, error 00000007, CR2 00300008\n
; expect-serial: run a kernel page: vector 14, error 00000005, CR2 00300000\n
; expect-serial: read an absent page: vector 14, error 00000004, CR2 00301000\n
; expect-serial: -- ports, IOPL 0: the bitmap decides\n
; expect-serial: OUT 0x80, a byte: allowed\n
; expect-serial: OUT 0x80, a word: 0x81 is closed: vector 13, error 00000000\n
; expect-serial: IN from 0x21: vector 13, error 00000000\n
; expect-serial: OUT to 0x3F8: vector 13, error 00000000\n
; expect-serial: IN beyond the bitmap: vector 13, error 00000000\n
; expect-serial: -- IOPL 3: everything is open\n
; expect-serial: IN from 0x21: allowed\n
; expect-serial: CLI: allowed\n
; expect-serial: HLT still: vector 13, error 00000000\n
; expect-serial: the user's stack pointer came with the frame: SS 00000023\n
;
; The kernel half (ring 0) makes a TSS, pages and gates, and goes down to ring 3 with IRETD. The user half then tries
; everything that it may not do; the kernel prints what the CPU reported and lets the user go on after the experiment.
; Also shown: the instructions that *should* trap in ring 3 and do not (POPF drops IF in silence, SMSW reads CR0), which
; is why this architecture could not be virtualized by trapping alone (Popek and Goldberg, CACM 17:7, 1974).

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

TSS             equ FREE0
CONFORMING      equ FREE0 + 8
GATE            equ FREE0 + 16
SECRET          equ 0x00300000          ; a page that only ring 0 may touch
ABSENT          equ 0x00301000          ; a page that is not there

IA32_SYSENTER_CS        equ 0x174       ; SDM 4, table 2-2
IA32_SYSENTER_ESP       equ 0x175
IA32_SYSENTER_EIP       equ 0x176

SYS_PRINT       equ 0                   ; EBX = text
SYS_HEX         equ 1                   ; EBX = value
SYS_IOPL        equ 2                   ; EBX = the I/O privilege level wanted: a kernel that gives its ports away
SYS_EXIT        equ 3

; What the user half prints with: no port is open to it, so it asks the kernel. All registers are kept.
%macro USER_PRINT 1+
        [section .rodata]
%%text: db %1, 0
        __?SECT?__
        push eax
        push ebx
        mov ebx, %%text
        mov eax, SYS_PRINT
        int 0x80
        pop ebx
        pop eax
%endmacro
%macro USER_HEX 1
        push eax
        push ebx
        mov ebx, %1
        mov eax, SYS_HEX
        int 0x80
        pop ebx
        pop eax
%endmacro

; ATTEMPT "what", then the instruction, then END_ATTEMPT: the kernel resumes after END_ATTEMPT when it faults.
%macro ATTEMPT 1
        %push attempt
        USER_PRINT %1, ": "
        mov dword [resume], %$end
        mov [resume_esp], esp
%endmacro
%macro END_ATTEMPT 0
        USER_PRINT "allowed", 10
%$end:
        %pop
%endmacro

; ======================================================================================================== kernel half
start:  ENTER_FLAT
        call prepare_paging

        ; The TSS: where the CPU finds the ring-0 stack when an interrupt comes in ring 3 (SDM 3A 7.2.1), and the I/O
        ; permission bitmap: one bit a port, 0 = allowed, a byte of ones at the end (SDM 1 19.5.2).
        mov dword [gdt + TSS], tss_end - tss - 1
        mov dword [gdt + TSS + 4], SEG_TSS32 << 8
        SET_DESCRIPTOR_BASE TSS, tss
        mov dword [tss + 4], kernel_stack_top           ; ESP0
        mov dword [tss + 8], DATA0                      ; SS0
        mov word [tss + 102], tss_bitmap - tss
        mov edi, tss_bitmap
        mov ecx, tss_end - tss_bitmap
        mov al, 0xFF
        rep stosb
        and byte [tss_bitmap + 0x80 / 8], ~1            ; port 0x80 is open; 0x81 is not
        mov ax, TSS
        ltr ax

        ; A conforming code segment runs at its caller's level (SDM 3A 5.8.1.1).
        mov dword [gdt + CONFORMING], 0x0000FFFF
        mov dword [gdt + CONFORMING + 4], 0x00CF9E00

        ; A call gate that ring 3 may use, with two parameters to be copied from stack to stack (SDM 3A 5.8.3).
        mov eax, gate_target
        mov [gdt + GATE], ax
        mov word [gdt + GATE + 2], CODE0
        mov word [gdt + GATE + 4], ((GATE_CALL32 | SEG_DPL3) << 8) | 2
        shr eax, 16
        mov [gdt + GATE + 6], ax

        SET_GATE 0x80, int80_entry, GATE_INT32 | SEG_DPL3
        SET_GATE 0x81, int80_entry, GATE_INT32          ; the same for ring 0 only

        mov ecx, IA32_SYSENTER_CS       ; SYSENTER takes SS from CS + 8, SYSEXIT CS from CS + 16, SS from CS + 24
        mov eax, CODE0                  ; (SDM 2B, SYSENTER): which is how our GDT is laid out
        xor edx, edx
        wrmsr
        mov ecx, IA32_SYSENTER_ESP
        mov eax, sysenter_stack_top
        wrmsr
        mov ecx, IA32_SYSENTER_EIP
        mov eax, sysenter_entry
        wrmsr

        mov ax, DATA3
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        push dword DATA3                ; the frame of an interrupt that never happened
        push dword user_stack_top
        push dword 2                    ; EFLAGS: IOPL 0, IF 0
        push dword CODE3
        push dword user
        iretd

int80_entry:
        push dword 0
        push dword 0x80
        jmp exception_common

on_exception:
        mov ax, DATA3                   ; not DATA0: IRETD to ring 3 would find it too privileged, and clear DS
        mov ds, ax
        mov es, ax
        mov ebp, esp
        mov eax, [ebp + FRAME.vector]
        cmp eax, 0x80
        je .system_call
        cmp eax, 13
        je .report
        cmp eax, 14
        je .report
        PRINT "unexpected exception "
        PRINT_DEC eax
        PRINT 10
        jmp fail

.report:
        PRINT "vector "
        PRINT_DEC eax
        PRINT ", error "
        PRINT_HEX dword [ebp + FRAME.error]
        cmp eax, 14
        jne .no_cr2
        PRINT ", CR2 "
        mov ecx, cr2
        PRINT_HEX ecx
.no_cr2:
        PRINT 10
        mov eax, [resume]
        mov [ebp + FRAME.eip], eax
        mov eax, [resume_esp]
        mov [ebp + FRAME.esp], eax
        EXCEPTION_RETURN

.system_call:
        mov eax, [ebp + FRAME.eax]
        mov ebx, [ebp + FRAME.ebx]
        cmp eax, SYS_HEX
        je .hex
        cmp eax, SYS_IOPL
        je .iopl
        cmp eax, SYS_EXIT
        je .exit
        push ebx
        call print_string
        EXCEPTION_RETURN
.hex:   push ebx
        call print_hex
        EXCEPTION_RETURN
.iopl:  and dword [ebp + FRAME.eflags], ~EFLAGS_IOPL
        shl ebx, 12
        or [ebp + FRAME.eflags], ebx
        EXCEPTION_RETURN
.exit:  PRINT "the user's stack pointer came with the frame: SS "
        PRINT_HEX dword [ebp + FRAME.ss]
        PRINT 10
        jmp power_off

; Reached by CALL through the gate: on the ring-0 stack lie EIP, CS, the two copied parameters, ESP and SS of the caller.
gate_target:
        PRINT "ring 0 through the gate, parameters "
        PRINT_HEX dword [esp + 8]
        PRINT " "
        PRINT_HEX dword [esp + 12]
        PRINT ", bytes on the new stack "
        mov eax, [tss + 4]
        sub eax, esp
        PRINT_DEC eax
        PRINT 10
        retf 8                          ; releases the parameters on both stacks

; SYSENTER saves nothing: by our convention EDX = where to return, ECX = the user's ESP.
sysenter_entry:
        PRINT "ring 0 through SYSENTER: CS "
        xor eax, eax
        mov ax, cs
        PRINT_HEX eax
        PRINT ", SS "
        mov ax, ss
        PRINT_HEX eax
        PRINT 10
        sysexit

; Identity-maps 4 MiB for the user, except one page for the kernel only and one that is absent.
prepare_paging:
        mov edi, page_table
        mov eax, 7                      ; present, writable, user
.fill:  stosd
        add eax, 0x1000
        cmp edi, page_table + 4096
        jb .fill
        mov dword [page_table + (SECRET >> 12) * 4], SECRET | 3
        mov dword [page_table + (ABSENT >> 12) * 4], 0
        mov dword [page_directory], page_table + 7
        mov eax, page_directory
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
        ret

; =========================================================================================================== user half
user:   USER_PRINT "in user mode: CS "
        xor eax, eax
        mov ax, cs
        USER_HEX eax
        USER_PRINT ", SS "
        mov ax, ss
        USER_HEX eax
        USER_PRINT 10, "-- privileged instructions", 10

        ATTEMPT "HLT"
        hlt
        END_ATTEMPT
        ATTEMPT "CLI"
        cli
        END_ATTEMPT
        ATTEMPT "MOV EAX, CR0"
        mov eax, cr0
        END_ATTEMPT
        ATTEMPT "LGDT"
        lgdt [gdt_pointer]
        END_ATTEMPT
        ATTEMPT "INVLPG"
        invlpg [resume]
        END_ATTEMPT
        ATTEMPT "RDMSR"
        mov ecx, IA32_SYSENTER_CS
        rdmsr
        END_ATTEMPT
        ATTEMPT "CLTS"
        clts
        END_ATTEMPT

        USER_PRINT "-- sensitive instructions that do not trap", 10
        USER_PRINT "POPF with IF and IOPL set: "
        pushfd
        or dword [esp], EFLAGS_IF | EFLAGS_IOPL
        popfd
        pushfd
        pop eax
        and eax, EFLAGS_IF | EFLAGS_IOPL
        USER_HEX eax                    ; both dropped, in silence
        USER_PRINT 10, "SMSW, bit 0: "
        xor eax, eax
        smsw ax
        and eax, 1
        USER_HEX eax
        USER_PRINT 10, "STR: "
        xor eax, eax
        str ax
        USER_HEX eax
        USER_PRINT 10, "LAR of the kernel's data segment: "
        mov ecx, DATA0
        lar eax, ecx
        jz .visible
        USER_PRINT "not visible"        ; it answers by ZF, not by a fault
.visible:
        USER_PRINT 10

        USER_PRINT "-- segments and gates", 10
        ATTEMPT "DS = the kernel's data"
        mov ax, DATA0
        mov ds, ax
        END_ATTEMPT
        ATTEMPT "far JMP to the kernel's code"
        jmp CODE0:gate_target
        END_ATTEMPT
        ATTEMPT "far RET to the kernel's code"
        push dword CODE0
        push dword gate_target
        retf
        END_ATTEMPT
        ATTEMPT "INT 0x81, a gate for ring 0"
        int 0x81
        END_ATTEMPT
        USER_PRINT "call gate: "
        push dword 0x22222222
        push dword 0x11111111
        call (GATE | 3):0
        USER_PRINT "back in ring 3, the stack is "
        mov eax, user_stack_top
        sub eax, esp
        USER_HEX eax
        USER_PRINT 10, "conforming segment: CS there is "
        call CONFORMING:conforming_routine
        USER_HEX eax                    ; RPL 3: nothing was gained
        USER_PRINT 10
        mov edx, .after_sysenter
        mov ecx, esp
        sysenter
.after_sysenter:
        USER_PRINT "back from SYSEXIT: CS "
        xor eax, eax
        mov ax, cs
        USER_HEX eax
        USER_PRINT ", SS "
        mov ax, ss
        USER_HEX eax
        USER_PRINT 10

        USER_PRINT "-- pages: error code bit 2 = user", 10
        ATTEMPT "read a kernel page"
        mov eax, [SECRET + 4]
        END_ATTEMPT
        ATTEMPT "write a kernel page"
        mov [SECRET + 8], eax
        END_ATTEMPT
        ATTEMPT "run a kernel page"
        mov eax, SECRET
        jmp eax
        END_ATTEMPT
        ATTEMPT "read an absent page"
        mov eax, [ABSENT]
        END_ATTEMPT

        USER_PRINT "-- ports, IOPL 0: the bitmap decides", 10
        ATTEMPT "OUT 0x80, a byte"
        out 0x80, al
        END_ATTEMPT
        ATTEMPT "OUT 0x80, a word: 0x81 is closed"
        out 0x80, ax
        END_ATTEMPT
        ATTEMPT "IN from 0x21"
        in al, 0x21
        END_ATTEMPT
        ATTEMPT "OUT to 0x3F8"
        mov dx, COM1
        out dx, al
        END_ATTEMPT
        ATTEMPT "IN beyond the bitmap"
        mov dx, 0x8000
        in al, dx
        END_ATTEMPT

        USER_PRINT "-- IOPL 3: everything is open", 10
        mov eax, SYS_IOPL
        mov ebx, 3
        int 0x80
        ATTEMPT "IN from 0x21"
        in al, 0x21
        END_ATTEMPT
        ATTEMPT "CLI"
        cli
        END_ATTEMPT
        ATTEMPT "HLT still"
        hlt
        END_ATTEMPT

        mov eax, SYS_EXIT
        int 0x80

conforming_routine:
        xor eax, eax
        mov ax, cs
        retf

        section .data
        align 4
resume:         dd 0
resume_esp:     dd 0

        section .bss
        alignb 4096
page_directory: resb 4096
page_table:     resb 4096
tss:            resb 104
tss_bitmap:     resb 0x400 / 8 + 1      ; ports 0-0x3FF; what lies beyond the TSS's limit is closed
tss_end:
        alignb 16
                resb 4096
kernel_stack_top:
                resb 4096
sysenter_stack_top:
                resb 4096
user_stack_top:
