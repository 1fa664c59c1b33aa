; guest: tasks
; format: multiboot
; teaches: the heart of an operating system in one page: two tasks that never yield, and a timer that makes them take turns
; expect-status: 0
; expect-serial: starting 3 tasks\n
; expect-serial: turns: ABCABCABCABCABCABCABCABCABCABC\n
; expect-serial: every task found its registers unchanged: ok\n
; expect-serial: every task made progress: ok\n
;
; A task is a stack. Switching is: save the registers on the running task's stack, remember its ESP, take the other's
; ESP, restore. A new task's stack is made to look as if it had just been interrupted at its first instruction.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

TASKS           equ 3
SWITCHES        equ 30                  ; the kernel stops after this many turns, when all have worked
STACK_SIZE      equ 4096

start:  ENTER_FLAT
        SET_GATE 0x20, on_timer, GATE_INT32

        xor ecx, ecx
.create:
        mov edi, ecx
        inc edi
        imul edi, edi, STACK_SIZE
        add edi, stacks                 ; the top of stack ECX
        sub edi, 12                     ; what IRETD takes: EIP, CS, EFLAGS
        mov dword [edi + 8], EFLAGS_IF | 2
        mov dword [edi + 4], CODE0
        mov eax, [entries + ecx * 4]
        mov [edi], eax
        sub edi, 32                     ; what POPAD takes; all zero but ...
        mov [edi + FRAME.ebx], ecx      ; ... EBX: the task's number
        mov [task_esp + ecx * 4], edi
        inc ecx
        cmp ecx, TASKS
        jb .create

        mov al, 0x11                    ; the 8259s as in `interrupts`: IRQ 0 = vector 0x20, all else masked
        out PIC1, al
        out PIC2, al
        mov al, 0x20
        out PIC1 + 1, al
        mov al, 0x28
        out PIC2 + 1, al
        mov al, 4
        out PIC1 + 1, al
        mov al, 2
        out PIC2 + 1, al
        mov al, 1
        out PIC1 + 1, al
        out PIC2 + 1, al
        mov al, 0xFE
        out PIC1 + 1, al
        mov al, 0xFF
        out PIC2 + 1, al
        mov al, 0x34                    ; 1 kHz
        out PIT_COMMAND, al
        mov ax, PIT_HZ / 1000
        out PIT_CHANNEL0, al
        mov al, ah
        out PIT_CHANNEL0, al

        PRINT "starting ", '0' + TASKS, " tasks", 10
        mov esp, [task_esp]             ; become task 0; the boot stack is forgotten
        popad
        iretd

; ---- the scheduler: every millisecond, whether the task likes it or not ---------------------------------------------
on_timer:
        pushad
        mov al, PIC_EOI
        out PIC1, al

        mov ecx, [current]
        mov [task_esp + ecx * 4], esp   ; everything that makes this task is on its stack now
        mov eax, [switches]
        cmp eax, SWITCHES
        jae .count
        mov [history + eax], cl
.count: inc dword [switches]

        inc ecx                         ; round robin
        cmp ecx, TASKS
        jb .chosen
        xor ecx, ecx
.chosen:
        mov [current], ecx
        cmp dword [switches], SWITCHES
        jb .switch
        mov eax, [work + 0]             ; enough turns: finish as soon as every task has got something done
        and eax, eax
        jz .switch
        cmp dword [work + 4], 0
        je .switch
        cmp dword [work + 8], 0
        jne finished
.switch:
        mov esp, [task_esp + ecx * 4]
        popad                           ; the other task's registers ...
        iretd                           ; ... its flags and its next instruction

finished:
        PRINT "turns: "
        xor ecx, ecx
.next:  movzx eax, byte [history + ecx]
        add eax, 'A'
        PRINT_CHAR eax
        inc ecx
        cmp ecx, SWITCHES
        jb .next
        PRINT 10
        cmp dword [broken], 0
        CHECK e, "every task found its registers unchanged"
        PRINT "every task made progress: ok", 10
        jmp power_off

; ---- the tasks: endless loops that give nothing up ---------------------------------------------------------------------
; Each fills its registers with its own pattern and looks whether it stays: a switch that forgets one shows here.
%macro TASK 2
%1:     mov eax, %2 + 1
        mov ecx, %2 + 2
        mov edx, %2 + 3
        mov esi, %2 + 4
        mov edi, %2 + 5
        mov ebp, %2 + 6
.loop:  inc dword [work + ebx * 4]
        cmp eax, %2 + 1
        jne .bad
        cmp ecx, %2 + 2
        jne .bad
        cmp edx, %2 + 3
        jne .bad
        cmp esi, %2 + 4
        jne .bad
        cmp edi, %2 + 5
        jne .bad
        cmp ebp, %2 + 6
        je .loop
.bad:   inc dword [broken]
        jmp .loop
%endmacro
        TASK task_a, 0xA0000000
        TASK task_b, 0xB0000000
        TASK task_c, 0xC0000000

on_exception:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT 10
        jmp fail

        section .rodata
        align 4
entries:        dd task_a, task_b, task_c

        section .bss
        alignb 16
stacks:         resb TASKS * STACK_SIZE
task_esp:       resd TASKS
work:           resd TASKS
current:        resd 1
switches:       resd 1
broken:         resd 1
history:        resb SWITCHES
