; entry.asm - the ways into the kernel and out of it: start, traps, the first return to ring 3, the switch between two processes.
        bits 32
%include "toyvmm.inc"

KERNEL_CODE     equ 0x08
KERNEL_DATA     equ 0x10
USER_DATA       equ 0x23
VECTORS         equ 0x31                ; exceptions, 16 IRQs, the paravirtual event; 0x80 has a stub of its own behind them

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start, trap_return, return_to_user, switch_stacks, load_tables, enable_paging
        extern kernel_main, trap
start:  cli
        cld
        mov esp, boot_stack
        push ebx                        ; Multiboot information
        push eax                        ; 0x2BADB002
        call kernel_main                ; does not return: it loads tables, and becomes the first process
        ud2

; load_tables(const void *gdt_pointer, const void *idt_pointer, uint16_t tss_selector)
load_tables:
        mov eax, [esp + 4]
        lgdt [eax]
        mov eax, [esp + 8]
        lidt [eax]
        jmp KERNEL_CODE:.flat
.flat:  mov eax, KERNEL_DATA
        mov ss, eax
        mov eax, USER_DATA              ; DS and ES are the user's in the kernel too: flat, and the same for both rings,
        mov ds, eax                     ; so that traps need not load them
        mov es, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        ltr [esp + 12]
        ret

; enable_paging(uint32_t directory, uint32_t cr4_bits)
enable_paging:
        mov eax, cr4
        or eax, [esp + 8]
        mov cr4, eax
        mov eax, [esp + 4]
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG | CR0_WP | CR0_EM        ; WP: the kernel's stores respect copy on write. EM: the x87 does not exist (#NM),
        and eax, ~CR0_TS                        ; so no process finds another's numbers in it
        mov cr0, eax
        ret

; ---- traps ------------------------------------------------------------------------------------------------------------
; A stub for each vector: it makes all frames equal (an error code, the CPU's or a zero, and the vector above it).
%macro STUB 1
%%stub:
  %if (%1) = 8 || ((%1) >= 10 && (%1) <= 14) || (%1) = 17
  %else
        push 0
  %endif
        push %1
        jmp trap_entry
  [section .rodata]
        dd %%stub
  __SECT__
%endmacro

        section .rodata
        global trap_stubs, trap_stubs_end
        align 4
trap_stubs:
        section .text
%assign vector 0
%rep VECTORS
        STUB vector
  %assign vector vector + 1
%endrep
        STUB 0x80
        section .rodata
trap_stubs_end:

        section .text
        align 16
trap_entry:
        pushad
        mov eax, ds                     ; reading a selector is cheap, for a VMM too; loading one is not
        mov edx, es
        cmp ax, USER_DATA
        jne other_selectors
        cmp dx, USER_DATA
        jne other_selectors
trap_with_flat_data:
        cld
        push esp
        call trap                       ; trap(struct trap_frame *)
        add esp, 4
trap_return:
        popad
        add esp, 8                      ; vector, error code
        iretd
other_selectors:                        ; a program loaded others: they do not come back to it
        mov eax, USER_DATA
        mov ds, eax
        mov es, eax
        jmp trap_with_flat_data

; return_to_user(struct trap_frame *): the frame of a new program.
return_to_user:
        mov esp, [esp + 4]
        jmp trap_return

; switch_stacks(uint32_t *from, uint32_t to): what a C function may expect to survive a call is on the stack, and the stack is the process.
        align 16
switch_stacks:
        mov eax, [esp + 4]
        mov edx, [esp + 8]
        push ebp
        push ebx
        push esi
        push edi
        mov [eax], esp
        mov esp, edx
        pop edi
        pop esi
        pop ebx
        pop ebp
        ret

        section .bss
        alignb 16
        resb 8192
boot_stack:
