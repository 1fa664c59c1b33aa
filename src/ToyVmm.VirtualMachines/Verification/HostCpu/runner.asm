; The process in which HostProcessor runs programs on the host's own CPU: a static 32-bit ELF without a library, that owns two stretches
; of its address space and leaves the rest unmapped, so that a program's stray accesses fault as they do in a guest.
;
;   00120000-003FFFFF  the program's pages, shared with the parent; what is not in use is there, but PROT_NONE
;   6D3A0000           this file (read, execute), the stack, what the parent tells (read), what the parent is told
;
; The address is one that a program hits only by a random pointer: no power of two, no edge of 32-bit arithmetic is near.
;
; One program is one byte on descriptor 0 and one back on descriptor 1. Descriptor 2 carries nothing: it is set up so that the kernel
; kills this process when the parent's end of it closes, which happens when the parent dies, in the middle of a program too
; (PR_SET_PDEATHSIG would not do: it tells of the end of the *thread* that started this process).
;
; A program is entered by FXRSTOR, POPAD, POPFD, MOV ESP, JMP. Every signal of a CPU exception is a record for the parent, after which the
; program goes on at the next address of the resume table. It does so without sigreturn(2), which would adjust selectors, drop the
; x87 pointers and take time: the handler loads the state from the signal's frame itself.
;
; Build:  nasm -f bin -o runner.elf runner.asm
;
; Kernel interface: arch/x86/include/uapi/asm/sigcontext.h (sigcontext_32, _fpstate_32), arch/x86/ia32/ia32_signal.c,
; Documentation/userspace-api/seccomp_filter.rst; numbers from arch/x86/entry/syscalls/syscall_32.tbl.

        cpu     686
        bits    32

; ---------------------------------------------------------------- addresses (RunnerLayout.cs has them too)

BASE            equ     0x6D3A0000
STACK           equ     BASE + 0x1000           ; also the signals' stack
STACK_SIZE      equ     0x5000                  ; an AVX-512 frame takes 3 KiB, one with AMX 11 KiB
INPUT              equ     STACK + STACK_SIZE
INPUT_SIZE         equ     0x8000
OUTPUT             equ     INPUT + INPUT_SIZE
OUTPUT_SIZE        equ     0x9000
PAGES           equ     0x00120000
PAGES_SIZE      equ     0x002E0000

in_end          equ     INPUT + 0x00               ; address of the INT3 at which a program ends
in_resumes      equ     INPUT + 0x04               ; entries in the resume table
in_limit        equ     INPUT + 0x08               ; the most records
in_changes      equ     INPUT + 0x0C               ; entries in the list of changes of protection
in_touches      equ     INPUT + 0x10               ; entries in the list of read-only pages
in_registers    equ     INPUT + 0x40               ; EDI ESI EBP ESP EBX EDX ECX EAX EFLAGS EIP
in_esp          equ     in_registers + 12
in_eip          equ     in_registers + 36
in_fxsave       equ     INPUT + 0x200
in_touch_list   equ     INPUT + 0x400              ; 736 addresses
in_change_list  equ     INPUT + 0x1000             ; 736 x (address | protection, length)
in_resume_list  equ     INPUT + 0x4000             ; 4096 addresses, ascending

out_ending      equ     OUTPUT + 0x00              ; see ENDED
out_records     equ     OUTPUT + 0x04
out_has_ldt     equ     OUTPUT + 0x08              ; 1: LDT entry 0 is a segment that is not present
out_eip         equ     OUTPUT + 0x10              ; scratch: where to resume
out_esp         equ     OUTPUT + 0x14
out_context     equ     OUTPUT + 0x40              ; struct sigcontext_32 of the end
out_fxsave      equ     OUTPUT + 0x200
out_record_list equ     OUTPUT + 0x1000            ; 512 x 64 bytes

ENDED           equ     1
UNREACHABLE     equ     2                       ; the end is no INT3 any more, or its page is not there

; ---------------------------------------------------------------- the kernel's

%define SYS_exit            1
%define SYS_read            3
%define SYS_write           4
%define SYS_open            5
%define SYS_close           6
%define SYS_getpid          20
%define SYS_fcntl           55
%define SYS_setrlimit       75
%define SYS_munmap          91
%define SYS_modify_ldt      123
%define SYS_mprotect        125
%define SYS_prctl           172
%define SYS_rt_sigaction    174
%define SYS_rt_sigprocmask  175
%define SYS_sigaltstack     186
%define SYS_mmap2           192
%define SYS_seccomp         354

PROT_READ       equ     1
PROT_WRITE      equ     2
PROT_EXEC       equ     4
MAP_SHARED      equ     0x01
MAP_PRIVATE     equ     0x02
MAP_FIXED       equ     0x10
MAP_ANONYMOUS   equ     0x20
MAP_POPULATE    equ     0x8000

SA_SIGINFO      equ     0x00000004
SA_RESTORER     equ     0x04000000
SA_ONSTACK      equ     0x08000000
SA_NODEFER      equ     0x40000000

; The frame: return address, signal, siginfo*, ucontext*. In the ucontext, struct sigcontext_32 follows five words.
frame_ucontext  equ     12
uc_mcontext     equ     20

struc sc                                        ; struct sigcontext_32
  .gs:          resd    1
  .fs:          resd    1
  .es:          resd    1
  .ds:          resd    1
  .di:          resd    1                       ; from here on as POPAD wants it
  .si:          resd    1
  .bp:          resd    1
  .sp:          resd    1
  .bx:          resd    1
  .dx:          resd    1
  .cx:          resd    1
  .ax:          resd    1
  .trapno:      resd    1
  .err:         resd    1
  .ip:          resd    1
  .cs:          resd    1
  .flags:       resd    1
  .sp_at_signal: resd   1
  .ss:          resd    1
  .fpstate:     resd    1                       ; struct _fpstate_32: 112 bytes of FSAVE, then the FXSAVE image
  .oldmask:     resd    1
  .cr2:         resd    1
endstruc

fpstate_fxsave  equ     112

EFLAGS_TF       equ     0x00000100
EFLAGS_RF       equ     0x00010000

; Leaves with a status of its own when EAX is an error.
%macro check 1
        cmp     eax, -4096
        mov     ebx, %1
        ja      leave_with
%endmacro

; ---------------------------------------------------------------- the file: ELF header, two program headers, code

        org     BASE

        db      0x7F, "ELF", 1, 1, 1            ; 32 bits, little-endian, version 1
        times   9 db 0
        dw      2, 3                            ; ET_EXEC, EM_386
        dd      1, start, headers - BASE, 0, 0
        dw      52, 32, 2, 0, 0, 0
headers:
        dd      1, 0, BASE, BASE, end - BASE, end - BASE, 5, 0x1000     ; PT_LOAD, read and execute
        dd      0x6474E551, 0, 0, 0, 0, 0, 6, 16                        ; PT_GNU_STACK: without it, all memory would be executable

; ---------------------------------------------------------------- once: argv[1] is the path of the shared memory

start:  mov     ebx, [esp + 8]
        mov     ecx, 2                          ; O_RDWR
        mov     eax, SYS_open
        int     0x80
        check   10
        mov     ebp, eax                        ; kept until it is mapped

        mov     ebx, 15                         ; PR_SET_NAME
        mov     ecx, name
        mov     eax, SYS_prctl
        int     0x80
        mov     ebx, 4                          ; RLIMIT_CORE: a program that kills us leaves no file ...
        mov     ecx, no_limit
        mov     eax, SYS_setrlimit
        int     0x80
        mov     ebx, 4                          ; PR_SET_DUMPABLE: ... and calls no crash handler
        xor     ecx, ecx
        mov     eax, SYS_prctl
        int     0x80

        ; The parent may have blocked signals and ignored SIGIO, and both are inherited.
        mov     ebx, 2                          ; SIG_SETMASK
        mov     ecx, no_signals
        xor     edx, edx
        mov     esi, 8
        mov     eax, SYS_rt_sigprocmask
        int     0x80
        check   11
        mov     ebx, 29                         ; SIGIO: kill
        mov     ecx, default_action
        xor     edx, edx
        mov     esi, 8
        mov     eax, SYS_rt_sigaction
        int     0x80
        check   11
        mov     eax, SYS_getpid
        int     0x80
        mov     edx, eax
        mov     ebx, 2
        mov     ecx, 8                          ; F_SETOWN
        mov     eax, SYS_fcntl
        int     0x80
        check   12
        mov     ebx, 2
        mov     ecx, 4                          ; F_SETFL
        mov     edx, 0x2001                     ; O_ASYNC | O_WRONLY
        mov     eax, SYS_fcntl
        int     0x80
        check   12

        ; Nothing but this page stays: no stack, no vDSO. (From here to the new stack, nothing is pushed.)
        mov     ebx, 0x1000
        mov     ecx, BASE - 0x1000
        mov     eax, SYS_munmap
        int     0x80
        check   13
        mov     ebx, BASE + 0x1000
        mov     ecx, 0xFFFFE000 - (BASE + 0x1000)
        mov     eax, SYS_munmap
        int     0x80
        check   13

        mov     esp, ebp                        ; EBP is an argument of mmap2
        mov     ebx, STACK
        mov     ecx, STACK_SIZE
        mov     edx, PROT_READ | PROT_WRITE
        mov     esi, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        mov     edi, -1
        xor     ebp, ebp
        mov     eax, SYS_mmap2
        int     0x80
        check   14
        mov     edi, esp                        ; the shared memory, from its start to its end: INPUT, OUTPUT, PAGES
        mov     ebx, INPUT
        mov     ecx, INPUT_SIZE
        mov     edx, PROT_READ
        mov     esi, MAP_SHARED | MAP_FIXED | MAP_POPULATE
        mov     eax, SYS_mmap2
        int     0x80
        check   15
        mov     ebx, OUTPUT
        mov     ecx, OUTPUT_SIZE
        mov     edx, PROT_READ | PROT_WRITE
        mov     ebp, INPUT_SIZE / 0x1000
        mov     eax, SYS_mmap2
        int     0x80
        check   15
        mov     ebx, PAGES
        mov     ecx, PAGES_SIZE
        mov     edx, PROT_READ | PROT_WRITE | PROT_EXEC
        mov     ebp, (INPUT_SIZE + OUTPUT_SIZE) / 0x1000
        mov     eax, SYS_mmap2
        int     0x80
        check   15
        mov     ebx, PAGES                      ; each is present now, and stays so behind its protection
        mov     ecx, PAGES_SIZE
        xor     edx, edx
        mov     eax, SYS_mprotect
        int     0x80
        check   16
        mov     ebx, esp
        mov     eax, SYS_close
        int     0x80
        mov     esp, STACK + STACK_SIZE

        mov     ebx, signal_stack
        xor     ecx, ecx
        mov     eax, SYS_sigaltstack
        int     0x80
        check   17
        mov     ebp, signals
.action:
        movzx   ebx, byte [ebp]
        mov     ecx, exception_action
        xor     edx, edx
        mov     esi, 8
        mov     eax, SYS_rt_sigaction
        int     0x80
        check   17
        inc     ebp
        cmp     ebp, signals_end
        jb      .action

        mov     ebx, 0x11                       ; write; the kernel may be built without: then #NP cannot be had
        mov     ecx, absent_segment
        mov     edx, 16
        mov     eax, SYS_modify_ldt
        int     0x80
        cmp     eax, 1                          ; carry where 0: done
        mov     dword [out_has_ldt], 0
        adc     dword [out_has_ldt], 0

        mov     ebx, 38                         ; PR_SET_NO_NEW_PRIVS
        mov     ecx, 1
        xor     edx, edx
        xor     esi, esi
        xor     edi, edi
        mov     eax, SYS_prctl
        int     0x80
        check   18
        mov     ebx, 1                          ; SECCOMP_SET_MODE_FILTER
        mov     ecx, 4                          ; SECCOMP_FILTER_FLAG_SPEC_ALLOW: no slower store bypass for us
        mov     edx, filter_program
        mov     eax, SYS_seccomp
        int     0x80
        test    eax, eax
        jz      reply
        xor     ecx, ecx                        ; Linux before 4.17
        mov     eax, SYS_seccomp
        int     0x80
        check   18

; ---------------------------------------------------------------- per program

reply:  mov     esp, STACK + STACK_SIZE
        mov     ebx, 1
        mov     ecx, name                       ; any byte
        mov     edx, 1
        mov     eax, SYS_write
        int     0x80
        check   20
        xor     ebx, ebx
        mov     ecx, out_esp                    ; scratch
        mov     edx, 1
        mov     eax, SYS_read
        int     0x80
        xor     ebx, ebx
        cmp     eax, 1
        jne     leave_with                      ; the parent has closed its end, or is gone

        mov     ebp, in_change_list
        mov     esi, [in_changes]
.change:
        dec     esi
        js      .changed
        mov     ebx, [ebp]
        mov     ecx, [ebp + 4]
        mov     edx, ebx
        and     edx, 7
        xor     ebx, edx
        add     ebp, 8
        mov     eax, SYS_mprotect
        int     0x80
        check   21
        jmp     .change
.changed:
        ; A write to a page that is not there, even when that is the kernel's own affair, faults with P = 0 in the error code.
        mov     ebp, in_touch_list
        mov     esi, [in_touches]
.touch: dec     esi
        js      .touched
        mov     ebx, [ebp]
        mov     bl, [ebx]
        add     ebp, 4
        jmp     .touch
.touched:
        xor     eax, eax
        mov     [out_ending], eax
        mov     [out_records], eax
        mov     fs, ax
        mov     gs, ax
        mov     ax, ss
        mov     ds, ax
        mov     es, ax

        ; The parent has written instructions: serialize before they are executed (SDM 3A 8.1.3 and 8.3). NT is clear.
        pushfd
        push    cs
        push    dword .serialized
        iretd
.serialized:
        fxrstor [in_fxsave]
        mov     esp, in_registers
        popad
        popfd
        mov     esp, [in_esp]
        jmp     dword [in_eip]

; ---------------------------------------------------------------- SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP

; The kernel has cleared DF, TF and RF and loaded DS and ES with the flat data segment; x87 and SSE are as after FNINIT.
on_signal:
        push    dword 2
        popfd                                   ; the program's AC and NT would be in our way
        mov     ebx, [esp + frame_ucontext]
        add     ebx, uc_mcontext

        cmp     dword [ebx + sc.trapno], 3
        jne     .record
        mov     eax, [ebx + sc.ip]
        dec     eax
        cmp     eax, [in_end]
        mov     eax, ENDED
        je      finish

.record:
        mov     edi, [out_records]
        mov     eax, UNREACHABLE
        cmp     edi, [in_limit]
        jae     finish                          ; the end had been the place to resume: there is none
        inc     dword [out_records]
        shl     edi, 6
        add     edi, out_record_list
        mov     eax, [ebx + sc.trapno]
        stosd
        mov     edx, [ebx + sc.err]
        xor     ecx, ecx
        cmp     eax, 14
        jne     .error
        and     edx, 0x0F                       ; without I/D: it is there as the host has NX switched on (SDM 3A 4.7)
        mov     ecx, [ebx + sc.cr2]
.error: mov     eax, edx
        stosd
        mov     eax, [ebx + sc.ip]
        stosd
        mov     eax, ecx
        stosd
        mov     eax, [ebx + sc.flags]
        and     eax, ~(EFLAGS_TF | EFLAGS_RF)
        mov     [ebx + sc.flags], eax
        stosd
        lea     esi, [ebx + sc.di]
        mov     ecx, 8
        rep     movsd
        xor     eax, eax
        stosd
        stosd
        stosd

        ; The first entry above EIP.
        mov     eax, [in_end]
        mov     edx, [out_records]
        cmp     edx, [in_limit]
        jae     .resume
        mov     edx, [ebx + sc.ip]
        xor     esi, esi
        mov     edi, [in_resumes]
.search:
        cmp     esi, edi
        jae     .found
        lea     ecx, [esi + edi]
        shr     ecx, 1
        cmp     [in_resume_list + ecx * 4], edx
        ja      .above
        lea     esi, [ecx + 1]
        jmp     .search
.above: mov     edi, ecx
        jmp     .search
.found: cmp     esi, [in_resumes]
        jae     .resume
        mov     eax, [in_resume_list + esi * 4]

        ; Leaves the frame as IRET would: ESP and EIP come last, from fixed places, as DS may be anything. MOV, JMP keep the flags.
.resume:
        mov     [out_eip], eax
        mov     eax, [ebx + sc.sp]
        mov     [out_esp], eax
        mov     eax, [ebx + sc.fpstate]
        fxrstor [eax + fpstate_fxsave]
        lea     esp, [ebx + sc.di]
        mov     es, [ebx + sc.es]
        mov     ds, [ebx + sc.ds]
        popad
        lea     esp, [esp + sc.flags - sc.trapno]
        popfd
        mov     esp, [cs:out_esp]
        jmp     dword [cs:out_eip]

; EBX is the context, EAX how it ended.
finish: mov     [out_ending], eax
        mov     esi, ebx
        mov     edi, out_context
        mov     ecx, sc_size / 4
        rep     movsd
        mov     esi, [ebx + sc.fpstate]
        add     esi, fpstate_fxsave
        mov     edi, out_fxsave
        mov     ecx, 512 / 4
        rep     movsd
        jmp     reply

leave_with:
        mov     eax, SYS_exit
        int     0x80
never:  hlt

; ---------------------------------------------------------------- constants

        align   8, db 0
no_limit:
no_signals:
        dd      0, 0
default_action:
        dd      0, 0, 0, 0, 0
exception_action:
        dd      on_signal, SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER, never, 0, 0
signal_stack:
        dd      STACK, 0, STACK_SIZE
absent_segment:                                 ; struct user_desc: entry 0, base 0, 4 GiB, 32-bit data, not present
        dd      0, 0, 0xFFFFF, 0x31

; System calls are this page's alone, and only those that a program needs: an INT 80h, SYSENTER or SYSCALL elsewhere ends the process
; with SIGSYS. Each row is a struct sock_filter: code, jumps where true and where false, operand; the data is a struct seccomp_data.
%macro  filter  4
        dw      %1
        db      %2, %3
        dd      %4
%endmacro
filters:
        filter  0x20, 0, 0, 4                   ; load the ABI
        filter  0x15, 0, 11, 0x40000003          ; AUDIT_ARCH_I386
        filter  0x20, 0, 0, 12                  ; load the upper half of the instruction pointer
        filter  0x15, 0, 9, 0
        filter  0x20, 0, 0, 8                   ; load the lower half
        filter  0x54, 0, 0, 0xFFFFF000
        filter  0x15, 0, 6, BASE
        filter  0x20, 0, 0, 0                   ; load the number
        filter  0x15, 3, 0, SYS_read
        filter  0x15, 2, 0, SYS_write
        filter  0x15, 1, 0, SYS_mprotect
        filter  0x15, 0, 1, SYS_exit
        filter  0x06, 0, 0, 0x7FFF0000          ; SECCOMP_RET_ALLOW
        filter  0x06, 0, 0, 0x80000000          ; SECCOMP_RET_KILL_PROCESS
filters_end:
filter_program:
        dd      (filters_end - filters) / 8
        dd      filters

name:   db      "toyvmm-hostcpu", 0
signals:
        db      4, 5, 7, 8, 11                  ; SIGILL SIGTRAP SIGBUS SIGFPE SIGSEGV
signals_end:
end:

%if (end - $$) > 0x1000
  %error "the runner is one page"
%endif
