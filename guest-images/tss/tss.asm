; guest: tss
; format: multiboot
; teaches: task switching done by the CPU itself: JMP, CALL and IRET between tasks, a task gate, busy bits, NT, a 16-bit TSS
; expect-status: 0
; expect-serial: LTR made us busy: 0000000B\n
; expect-serial: JMP to task A\n
; expect-serial: task A: TR 00000030, main is 00000009, EBX 00000000, NT 00000000, LDT 00000048, through it 2154444C\n
; expect-serial: main again: EBX 11111111, task A is 00000009\n
; expect-serial: task A, second time: EDI AAAAAAAA\n
; expect-serial: main again; task A's EDI in its TSS: AAAAAAAB\n
; expect-serial: CALL of task B\n
; expect-serial: task B: back link 00000028, NT 00004000, main is 0000000B\n
; expect-serial: main again: its NT is 00000000, task B's saved NT 00000000\n
; expect-serial: CALL through a task gate\n
; expect-serial: task B: back link 00000028, NT 00004000, main is 0000000B\n
; expect-serial: INT through a task gate\n
; expect-serial: task B: back link 00000028, NT 00004000, main is 0000000B\n
; expect-serial: main again\n
; expect-serial: task B: back link 00000028, NT 00004000, main is 0000000B\n
; expect-serial: CR0.TS after a switch: 00000008\n
; expect-serial: JMP to ourselves: vector 13, error 00000028, in task 00000028\n
; expect-serial: CALL of a task whose FS is beyond the GDT: vector 10, error 00001238, in task 00000060\n
; expect-serial: the task runs after all\n
; expect-serial: CALL of a 16-bit task\n
; expect-serial: main again: AX of the 16-bit task was 00001601, our ECX is still AAAA5555\n
; expect-serial: done\n
;
; A TSS holds all registers of a task. A far JMP or CALL to its selector - the offset is ignored - saves everything into
; the current TSS and loads everything from the new one (SDM 3A 7.3). CALL and interrupts also *nest*: the new task gets
; the old one's selector as its back link and NT set in EFLAGS, and its IRET switches back. The descriptor's busy bit
; keeps a task from being entered twice.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

MAIN            equ FREE0               ; the task that we make of ourselves
TASK_A          equ FREE0 + 8           ; entered by JMP
TASK_B          equ FREE0 + 16          ; entered by CALL, and by an interrupt through a task gate
TASK_16         equ FREE0 + 24          ; a 16-bit TSS, as on the 286
LDT             equ FREE0 + 32
GATE            equ FREE0 + 40          ; a task gate in the GDT
SMALL_CODE      equ FREE0 + 48          ; a 16-bit code segment at `task_16_code`
BAD             equ FREE0 + 56          ; a TSS with an impossible FS

; Offsets in a 32-bit TSS (SDM 3A figure 7-2) and a 16-bit one (figure 7-10).
struc TSS
.link:          resd 1
.stacks:        resd 6
.cr3:           resd 1
.eip:           resd 1
.eflags:        resd 1
.eax:           resd 1
.ecx:           resd 1
.edx:           resd 1
.ebx:           resd 1
.esp:           resd 1
.ebp:           resd 1
.esi:           resd 1
.edi:           resd 1
.es:            resd 1
.cs:            resd 1
.ss:            resd 1
.ds:            resd 1
.fs:            resd 1
.gs:            resd 1
.ldt:           resd 1
.trap:          resw 1
.bitmap:        resw 1
endstruc
struc TSS16
.link:          resw 1
.stacks:        resw 6
.ip:            resw 1
.flags:         resw 1
.ax:            resw 1
.cx:            resw 1
.dx:            resw 1
.bx:            resw 1
.sp:            resw 1
.bp:            resw 1
.si:            resw 1
.di:            resw 1
.es:            resw 1
.cs:            resw 1
.ss:            resw 1
.ds:            resw 1
.ldt:           resw 1
endstruc

; TSS_DESCRIPTOR selector, address, limit, type. Changes EAX.
%macro TSS_DESCRIPTOR 4
        mov dword [gdt + %1], %3
        mov dword [gdt + %1 + 4], (%4) << 8
        SET_DESCRIPTOR_BASE %1, %2
%endmacro

; FILL_TSS address, entry, stack: flat segments, interrupts off.
%macro FILL_TSS 3
        mov dword [%1 + TSS.eip], %2
        mov dword [%1 + TSS.eflags], 2
        mov dword [%1 + TSS.esp], %3
        mov dword [%1 + TSS.es], DATA0
        mov dword [%1 + TSS.cs], CODE0
        mov dword [%1 + TSS.ss], DATA0
        mov dword [%1 + TSS.ds], DATA0
        mov dword [%1 + TSS.fs], DATA0
        mov dword [%1 + TSS.gs], DATA0
        mov word [%1 + TSS.bitmap], 104
%endmacro

start:  ENTER_FLAT
        TSS_DESCRIPTOR MAIN, main_tss, 103, SEG_TSS32
        TSS_DESCRIPTOR TASK_A, a_tss, 103, SEG_TSS32
        TSS_DESCRIPTOR TASK_B, b_tss, 103, SEG_TSS32
        TSS_DESCRIPTOR TASK_16, small_tss, 43, SEG_TSS16
        TSS_DESCRIPTOR LDT, ldt, 7, SEG_LDT
        TSS_DESCRIPTOR BAD, bad_tss, 103, SEG_TSS32
        mov dword [gdt + SMALL_CODE], 0x0000FFFF
        mov dword [gdt + SMALL_CODE + 4], 0x00009A00    ; 64 KiB, 16-bit
        SET_DESCRIPTOR_BASE SMALL_CODE, task_16_code
        mov dword [gdt + GATE], TASK_B << 16
        mov dword [gdt + GATE + 4], GATE_TASK << 8
        mov eax, message
        mov [ldt + 2], ax
        shr eax, 16
        mov [ldt + 4], al
        mov [ldt + 7], ah
        FILL_TSS a_tss, task_a, a_stack_top
        mov dword [a_tss + TSS.ldt], LDT
        mov dword [a_tss + TSS.fs], 4                   ; entry 0 of task A's own LDT
        FILL_TSS b_tss, task_b, b_stack_top
        FILL_TSS bad_tss, task_bad, b_stack_top
        mov dword [bad_tss + TSS.fs], 0x1238            ; beyond the GDT
        mov word [small_tss + TSS16.ip], 0
        mov word [small_tss + TSS16.flags], 2
        mov word [small_tss + TSS16.sp], 0x7000
        mov word [small_tss + TSS16.cs], SMALL_CODE
        mov word [small_tss + TSS16.ss], DATA0
        mov word [small_tss + TSS16.ds], DATA0
        mov word [small_tss + TSS16.es], DATA0

        mov ax, MAIN
        ltr ax
        PRINT "LTR made us busy: "
        push dword MAIN
        call show_type
        PRINT 10

        ; ---- JMP: no nesting
        mov ebx, 0x11111111
        PRINT "JMP to task A", 10
        jmp TASK_A:0
        PRINT "main again: EBX "
        PRINT_HEX ebx
        PRINT ", task A is "
        push dword TASK_A
        call show_type
        PRINT 10

        ; ---- a second time: A goes on where it stopped
        jmp TASK_A:0
        PRINT "main again; task A's EDI in its TSS: "
        PRINT_HEX dword [a_tss + TSS.edi]
        PRINT 10

        ; ---- CALL: nested
        PRINT "CALL of task B", 10
        call TASK_B:0
        PRINT "main again: its NT is "
        pushfd
        pop eax
        and eax, EFLAGS_NT
        PRINT_HEX eax
        PRINT ", task B's saved NT "
        mov eax, [b_tss + TSS.eflags]
        and eax, EFLAGS_NT
        PRINT_HEX eax                   ; IRET clears NT in the task that it leaves (SDM 3A table 7-2)
        PRINT 10

        ; ---- the same task through a gate in the GDT, and through one in the IDT
        PRINT "CALL through a task gate", 10
        call GATE:0
        mov dword [idt + 0x50 * 8], TASK_B << 16
        mov dword [idt + 0x50 * 8 + 4], GATE_TASK << 8
        PRINT "INT through a task gate", 10
        int 0x50
        PRINT "main again", 10

        ; ---- CR0.TS: every task switch sets it, so that the FPU's state can follow lazily
        clts
        call TASK_B:0
        mov eax, cr0
        and eax, CR0_TS
        PRINT "CR0.TS after a switch: "
        PRINT_HEX eax
        PRINT 10
        clts

        ; ---- a task that is busy, and one that cannot be loaded
        PRINT "JMP to ourselves: "
        mov dword [resume], .after_busy
        jmp MAIN:0
.after_busy:
        PRINT "CALL of a task whose FS is beyond the GDT: "
        call BAD:0

        ; ---- 16 bits
        PRINT "CALL of a 16-bit task", 10
        mov ecx, 0xAAAA5555
        call TASK_16:0
        PRINT "main again: AX of the 16-bit task was "
        movzx eax, word [small_tss + TSS16.ax]
        PRINT_HEX eax
        PRINT ", our ECX is still "
        PRINT_HEX ecx                   ; saved in our own, 32-bit TSS
        PRINT 10

        PRINT "done", 10
        jmp power_off

; Prints the type of the descriptor whose selector is on the stack: 9 = available, B = busy (1 and 3 for 16 bits).
show_type:
        mov eax, [esp + 4]
        movzx eax, byte [gdt + eax + 5]
        and eax, 0x0F
        PRINT_HEX eax
        ret 4

; ---- task A: entered by JMP, leaves by JMP. What follows the JMP is where it wakes up next time.
task_a: PRINT "task A: TR "
        xor eax, eax
        str ax
        PRINT_HEX eax
        PRINT ", main is "
        push dword MAIN
        call show_type
        PRINT ", EBX "
        PRINT_HEX ebx                   ; its own: 0
        PRINT ", NT "
        pushfd
        pop eax
        and eax, EFLAGS_NT
        PRINT_HEX eax
        PRINT ", LDT "
        xor eax, eax
        sldt ax
        PRINT_HEX eax
        PRINT ", through it "
        mov eax, [fs:0]                 ; the LDT's segment begins at `message`
        PRINT_HEX eax
        PRINT 10
        mov edi, 0xAAAAAAAA
        jmp MAIN:0
        PRINT "task A, second time: EDI "
        PRINT_HEX edi
        PRINT 10
        inc edi
        jmp MAIN:0

; ---- task B: nested; IRET leaves, and the next entry finds it after the IRET.
task_b: PRINT "task B: back link "
        movzx eax, word [b_tss + TSS.link]
        PRINT_HEX eax
        PRINT ", NT "
        pushfd
        pop eax
        and eax, EFLAGS_NT
        PRINT_HEX eax
        PRINT ", main is "
        push dword MAIN
        call show_type                  ; still busy: it will be returned to
        PRINT 10
        iretd
        jmp task_b

task_bad:
        PRINT "the task runs after all", 10
        xor eax, eax
        mov fs, ax
        iretd

; ---- the 16-bit task: position-independent, because its segment begins here. It only computes, and returns.
        bits 16
task_16_code:
        mov ax, 0x1600
        inc ax
        iret
        bits 32

on_exception:
        mov ebp, esp
        mov eax, [ebp + FRAME.vector]
        PRINT "vector "
        PRINT_DEC eax
        PRINT ", error "
        PRINT_HEX dword [ebp + FRAME.error]
        PRINT ", in task "
        xor eax, eax
        str ax
        PRINT_HEX eax
        PRINT 10
        cmp ax, MAIN
        jne .in_new_task
        mov eax, [resume]
        mov [ebp + FRAME.eip], eax
        EXCEPTION_RETURN
.in_new_task:
        ; The switch had already happened when FS was found bad, so the fault belongs to the new task, and its saved EIP
        ; is that task's first instruction (SDM 3A 6.15, interrupt 10). It is set here all the same: QEMU 7.2 saves the
        ; EIP of the CALL. (A bad CS or SS would leave no stack to report on: a real system gives #TS a task gate.)
        mov dword [ebp + FRAME.eip], task_bad
        EXCEPTION_RETURN

        section .rodata
message: db "LDT!"

        section .data
        align 8
ldt:    DESCRIPTOR 0, 3, SEG_DATA, FLAG_BYTE_32 ; four bytes at `message`; the base is filled in at run time

        section .bss
        alignb 4
resume:         resd 1
        alignb 128
main_tss:       resb 104
        alignb 128
a_tss:          resb 104
        alignb 128
b_tss:          resb 104
        alignb 128
bad_tss:        resb 104
        alignb 128
small_tss:      resb 44
        alignb 16
                resb 4096
a_stack_top:
                resb 4096
b_stack_top:
